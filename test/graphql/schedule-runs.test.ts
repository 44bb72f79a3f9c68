import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fireSchedules } from '../../src/schedules/fire-schedules.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { recordQueries } from '../support/queries.ts';
import { makeSchedule } from '../support/schedules.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
});
afterAll(() => app.close());

const RUNS = `query ($id: ID!, $first: Int, $after: String) { schedule(id: $id) { runs(first: $first, after: $after) {
  edges { cursor node { dueAt task { id status } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;
const FIRST_DUE = Date.parse('2026-01-05T08:00:00Z');
const dueAt = (n: number): string => new Date(FIRST_DUE + n * 60_000).toISOString();

/** A schedule that ran so many times, a minute apart; its tasks are not kept any more. */
const scheduleWithRuns = async (count: number): Promise<string> => {
  const { id } = await makeSchedule(app, { ownerId: user.id, dueInMs: null });
  const runs = Array.from({ length: count }, (_, n) => ({ scheduleId: id, dueAt: dueAt(n), taskId: uuidv7() }));
  await app.database.scheduleRun.createMany({ data: runs });
  return id;
};
const runsOf = async (variables: Record<string, unknown>) => (await user.call(RUNS, variables)).data.schedule.runs;
const times = ({ edges }: { edges: { node: { dueAt: string } }[] }): string[] => edges.map(({ node }) => node.dueAt);

test('runs of a schedule come in pages, the newest first', async () => {
  const id = await scheduleWithRuns(25);
  const first = await runsOf({ id });
  expect(times(first)).toEqual(Array.from({ length: 20 }, (_, i) => dueAt(24 - i)));
  expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  const rest = await runsOf({ id, first: 5, after: first.pageInfo.endCursor });
  expect(times(rest)).toEqual([4, 3, 2, 1, 0].map(dueAt));
  expect(rest.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  const none = await runsOf({ id, after: rest.pageInfo.endCursor });
  expect(none).toEqual({
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
  });
});

test('a run names its due time and its task, and no task that is no longer kept', async () => {
  const { id, nextRunAt } = await makeSchedule(app, { ownerId: user.id });
  await app.database.scheduleRun.create({ data: { scheduleId: id, dueAt: dueAt(0), taskId: uuidv7() } });
  await fireSchedules({ ...app.services, logger: silent });
  const { lastTaskId } = await app.database.schedule.findUniqueOrThrow({ where: { id } });
  const { edges } = await runsOf({ id });
  expect(edges.map(({ node }: { node: unknown }) => node)).toEqual([
    { dueAt: nextRunAt?.toISOString(), task: { id: lastTaskId, status: 'QUEUED' } },
    { dueAt: dueAt(0), task: null },
  ]);
});

test('runs of many schedules, and their tasks, take one query each', async () => {
  const owner = await app.user();
  for (let i = 0; i < 3; i++) {
    const { id } = await makeSchedule(app, { ownerId: owner.id, dueInMs: null });
    const { id: taskId } = await app.factory.queued({ ownerId: owner.id });
    await app.database.scheduleRun.create({ data: { scheduleId: id, dueAt: dueAt(i), taskId } });
  }
  const queries = recordQueries();
  const { data } = await owner.call(
    '{ schedules { edges { node { runs { edges { node { dueAt task { status } } } } } } } }',
  );
  expect(data.schedules.edges.flatMap(({ node }: { node: { runs: { edges: object[] } } }) => node.runs.edges)).toEqual(
    [2, 1, 0].map((n) => ({ node: { dueAt: dueAt(n), task: { status: 'QUEUED' } } })),
  );
  expect(queries.filter((text) => text.includes('schedule_runs'))).toHaveLength(1);
  expect(queries.filter((text) => /FROM tasks/.test(text))).toHaveLength(1);
});

test.each([
  [{ first: 101 }, { code: 'BAD_USER_INPUT', field: 'first', limit: 100 }],
  [{ first: -1 }, { code: 'BAD_USER_INPUT', field: 'first', limit: 100 }],
  [{ after: 'x' }, { code: 'BAD_USER_INPUT', field: 'after' }],
  [{ after: '2026-01-05' }, { code: 'BAD_USER_INPUT', field: 'after' }],
  [{ after: '+275760-09-13T00:00:00.001Z' }, { code: 'BAD_USER_INPUT', field: 'after' }],
])('%j is refused', async (page, error) => {
  const id = await scheduleWithRuns(1);
  expect(errorOf(await user.call(RUNS, { id, ...page }))).toEqual(error);
});

test("what is somebody else's shows no runs", async () => {
  const id = await scheduleWithRuns(1);
  const other = await app.user();
  expect((await other.call(RUNS, { id })).data.schedule).toBeNull();
});
