import { afterAll, beforeAll, expect, test } from 'vitest';
import { RealtimeRouter } from '../../../src/realtime/router.ts';
import { submitTasks } from '../../../src/tasks/submit-tasks.ts';
import { TaskSnapshots } from '../../../src/tasks/task-snapshots.ts';
import { readChanges, readPositions } from '../../../src/tasks/task-store.ts';
import { watchChanges } from '../../../src/tasks/watch-changes.ts';
import { type Factory, silent, taskInput } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { ago, cleanUpAtNow, DAY, makeDay, putTasks } from './support.ts';

let app: FactoryApp;
let factory: Factory;
let router: RealtimeRouter;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  const { database } = app;
  router = new RealtimeRouter(app.broker, {
    readChanges: (owner, after, limit) => readChanges(database, owner, after, limit),
    readPositions: (owners) => readPositions(database, owners),
    subscriberBuffer: 10_000,
    logger: silent,
  });
});
afterAll(async () => {
  router.close(new Error('the tests are over'));
  await app.close();
});

test.each(['0', '1', '2', '3'])(
  'a subscriber who resumes after %s, which was dropped, gets what is still kept, then what comes',
  async (after) => {
    const ownerId = await factory.owner();
    const old = ago(40 * DAY)
      .toISOString()
      .slice(0, 10);
    await makeDay(app, old);
    await putTasks(
      app,
      Array.from({ length: 3 }, () => ({ ownerId, at: ago(40 * DAY) })),
    );
    await submitTasks(factory.services, ownerId, [taskInput(), taskInput()]);
    expect((await cleanUpAtNow(app)).daysDropped).toEqual([old]);

    const services = { database: app.database, router, snapshots: new TaskSnapshots(app.database) };
    const watching = await watchChanges(services, ownerId, { where: {}, after, withTask: true });
    await submitTasks(factory.services, ownerId, [taskInput(), taskInput()]);
    const positions: number[] = [];
    while (positions.length < 4) positions.push((await watching.next()).value.change.position);
    expect(positions).toEqual([4, 5, 6, 7]);
    await watching.return?.();
  },
);

test('a subscriber whose whole past was dropped gets what comes', async () => {
  const ownerId = await factory.owner();
  await makeDay(
    app,
    ago(40 * DAY)
      .toISOString()
      .slice(0, 10),
  );
  await putTasks(
    app,
    Array.from({ length: 3 }, () => ({ ownerId, at: ago(40 * DAY) })),
  );
  await cleanUpAtNow(app);
  const services = { database: app.database, router, snapshots: new TaskSnapshots(app.database) };
  const watching = await watchChanges(services, ownerId, { where: {}, after: '1', withTask: false });
  await submitTasks(factory.services, ownerId, [taskInput()]);
  expect((await watching.next()).value.change.position).toBe(4);
  await watching.return?.();
});
