import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeOwner, makeSchedule } from '../../support/schedules.ts';
import { setup, type TestApp } from '../../support/setup.ts';
import { ago, cleanUpAtNow, DAY, MS } from './support.ts';

let app: TestApp;
let ownerId: string;

beforeAll(async () => {
  app = await setup();
  ownerId = await makeOwner(app);
});
afterAll(() => app.close());
beforeEach(async () => {
  await app.database.schedule.deleteMany();
});

const MAX_RUNS = 1_000;

/** A schedule that ran so long ago. @returns its id */
const scheduleThatRan = async (...agesMs: number[]): Promise<string> => {
  const { id } = await makeSchedule(app, { ownerId, dueInMs: null });
  const runs = agesMs.map((ms) => ({ scheduleId: id, dueAt: ago(ms), taskId: uuidv7() }));
  await app.database.scheduleRun.createMany({ data: runs });
  return id;
};
/** How long ago the runs were that are still kept, the newest first. */
const agesOf = async (scheduleId: string): Promise<number[]> => {
  const runs = await app.database.scheduleRun.findMany({ where: { scheduleId }, orderBy: { dueAt: 'desc' } });
  return runs.map(({ dueAt }) => ago(0).getTime() - dueAt.getTime());
};
const every = (stepMs: number, count: number): number[] => Array.from({ length: count }, (_, i) => i * stepMs);

test('runs of schedules are deleted after 30 days, to the ms', async () => {
  const id = await scheduleThatRan(DAY, 30 * DAY, 30 * DAY + MS, 400 * DAY);
  expect((await cleanUpAtNow(app, { isDryRun: true })).scheduleRunsDeleted).toBe(2);
  expect((await cleanUpAtNow(app)).scheduleRunsDeleted).toBe(2);
  expect(await agesOf(id)).toEqual([DAY, 30 * DAY]);
});

test('beyond the newest 1,000 they are deleted after a day, batch by batch', async () => {
  const tenMinutes = 600_000;
  const busy = await scheduleThatRan(...every(tenMinutes, 3_500));
  const other = await scheduleThatRan(2 * DAY);
  expect((await cleanUpAtNow(app)).scheduleRunsDeleted).toBe(2_500);
  expect(await agesOf(busy)).toEqual(every(tenMinutes, MAX_RUNS));
  expect(await agesOf(other)).toEqual([2 * DAY]);
  expect((await cleanUpAtNow(app)).scheduleRunsDeleted).toBe(0);
});

test('those of the last day all stay, so that no due time is served twice', async () => {
  const aMinute = 60_000;
  const id = await scheduleThatRan(...every(aMinute, 1_440), DAY, DAY + MS);
  expect((await cleanUpAtNow(app)).scheduleRunsDeleted).toBe(1);
  expect(await agesOf(id)).toHaveLength(1_441);
});
