import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { setup, type TestApp } from '../../support/setup.ts';
import { cleanUpAtNow, makeDay, putTasks, settings } from './support.ts';

let app: TestApp;
const ownerId = uuidv7();

beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());
beforeEach(async () => {
  await app.database
    .$executeRaw`TRUNCATE tasks, task_events, task_dependencies, pending_dependencies, flow_tasks, flows`;
});

const noon = (day: string): Date => new Date(`${day}T12:00:00Z`);

/** A flow of a COMPLETED parent and a child that stands so, both of this day. */
const putFlow = async (day: string, status: 'COMPLETED' | 'FAILED' | 'WAITING') => {
  const flowId = uuidv7({ msecs: noon(day).getTime() });
  const tasks = [
    { ownerId, at: noon(day) },
    { ownerId, at: new Date(noon(day).getTime() + 1), status },
  ];
  const [parentId = '', childId = ''] = await putTasks(app, tasks);
  await app.database.flow.create({ data: { id: flowId, ownerId, name: day } });
  for (const [place, taskId] of [parentId, childId].entries())
    await app.database.flowTask.create({ data: { flowId, taskId, place, name: `task-${place}` } });
  await app.database.taskDependency.create({
    data: { childId, parentId, place: 0, onFailure: 'CANCEL', status: 'COMPLETED' },
  });
  return { flowId, parentId, childId };
};
const kept = async () => ({
  flows: (await app.database.flow.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id),
  members: (await app.database.flowTask.findMany({ orderBy: { taskId: 'asc' } })).map(({ taskId }) => taskId),
  children: (await app.database.taskDependency.findMany()).map(({ childId }) => childId),
});

describe('flows and dependencies', () => {
  test('go with the day of their tasks', async () => {
    for (const day of ['2026-02-10', '2026-03-12']) await makeDay(app, day);
    await putFlow('2026-02-10', 'COMPLETED');
    const later = await putFlow('2026-03-12', 'COMPLETED');
    expect(await cleanUpAtNow(app)).toMatchObject({ daysDropped: ['2026-02-10'], flowsDeleted: 1 });
    expect(await kept()).toEqual({
      flows: [later.flowId],
      members: [later.parentId, later.childId],
      children: [later.childId],
    });
  });

  test('stay with all tasks of their day as long as one of these waits', async () => {
    await makeDay(app, '2026-02-11');
    const flow = await putFlow('2026-02-11', 'WAITING');
    expect(await cleanUpAtNow(app)).toMatchObject({
      daysHeld: [{ day: '2026-02-11', unfinished: 1 }],
      flowsDeleted: 0,
    });
    expect(await kept()).toMatchObject({ flows: [flow.flowId], members: [flow.parentId, flow.childId] });
  });

  test('stay where some of their tasks stay longer, with what these waited for', async () => {
    await makeDay(app, '2026-02-12');
    const flow = await putFlow('2026-02-12', 'FAILED');
    const byStatus = settings(app, { TASK_RETENTION_DAYS: 30, FAILED_RETENTION_DAYS: 90 });
    expect(await cleanUpAtNow(app, byStatus)).toMatchObject({
      daysRewritten: expect.arrayContaining([{ day: '2026-02-12', without: ['COMPLETED', 'CANCELLED'] }]),
      flowsDeleted: 0,
    });
    expect(await kept()).toEqual({ flows: [flow.flowId], members: [flow.childId], children: [flow.childId] });
  });
});
