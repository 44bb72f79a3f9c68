import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorOf, type TestUser } from '../support/api.ts';
import { makeEndedTasks } from '../support/many-tasks.ts';
import { carryOut, type ManagedApi, setupManagedApi, submitMany } from '../support/operating.ts';
import { subscribe } from '../support/sockets.ts';

let app: ManagedApi;
let owner: TestUser;

beforeAll(async () => {
  app = await setupManagedApi();
});
afterAll(() => app.close());
beforeEach(async () => {
  owner = await app.user();
});

const CHANGES =
  'subscription ($after: String) { taskChanges(after: $after) { cursor event { taskId status } task { id } } }';
const changesAfter = (after: string | null) => subscribe(app.yoga, owner.headers, CHANGES, { after });
const deleteAll = (where: object) => carryOut(app, owner, 'deleteTasks', { ...where });
const feedOf = async () =>
  Number((await app.database.ownerFeed.findUniqueOrThrow({ where: { ownerId: owner.id } })).position);

describe('after tasks were deleted, taskChanges', () => {
  test('resumes over the holes, from anywhere', async () => {
    const tagged = async (count: number, tag: string) =>
      makeEndedTasks(app, { ownerId: owner.id, count, status: 'COMPLETED', tags: [tag] });
    const kept = [...(await tagged(2, 'keep'))];
    await tagged(1_500, 'drop');
    kept.push(...(await tagged(2, 'keep')));
    await tagged(3, 'drop');
    expect(await deleteAll({ tags: ['drop'] })).toMatchObject({ done: 1_503 });
    const cursors = kept.flatMap((_, i) => {
      const first = i < 2 ? 2 * i + 1 : 3_000 + 2 * i + 1;
      return [first, first + 1];
    });
    for (const after of [0, 1, 3, 4, 5, 1_000, 3_004, 3_007]) {
      const watch = await changesAfter(String(after));
      const expected = cursors.filter((cursor) => cursor > after);
      const seen = await watch.take(expected.length);
      expect(seen.map(({ cursor }) => Number(cursor))).toEqual(expected);
      const [next] = await submitMany(owner, 1);
      expect((await watch.take(1))[0]).toMatchObject({ event: { taskId: next, status: 'QUEUED' } });
      expect(await deleteAll({ ids: [next] })).toMatchObject({ done: 0, skipped: 1 });
      cursors.push(await feedOf());
      await watch.stop();
    }
  });

  test('begins, and resumes, where nothing at all is left', async () => {
    await makeEndedTasks(app, { ownerId: owner.id, count: 10, status: 'COMPLETED' });
    await deleteAll({ status: ['COMPLETED'] });
    for (const after of [null, '0', '20', '7']) {
      const watch = await changesAfter(after);
      const [id] = await submitMany(owner, 1, { runAt: '2999-01-01T00:00:00Z' });
      for (;;) if ((await watch.take(1))[0].event.taskId === id) break;
      await watch.stop();
    }
  });

  test('goes on when the messages of what was deleted were lost', async () => {
    const watch = await changesAfter(null);
    // Written past this node: it gets no message of them.
    await makeEndedTasks(app, { ownerId: owner.id, count: 5, status: 'COMPLETED' });
    await deleteAll({ status: ['COMPLETED'] });
    const [id] = await submitMany(owner, 1);
    expect((await watch.take(1))[0].event.taskId).toBe(id);
  });
});

describe('a deleted task', () => {
  test('is null, and cannot be watched or put back', async () => {
    const [id = ''] = await makeEndedTasks(app, { ownerId: owner.id, count: 1, status: 'FAILED' });
    await deleteAll({ ids: [id] });
    expect((await owner.call(`{ task(id: "${id}") { id } tasks { edges { cursor } } }`)).data).toEqual({
      task: null,
      tasks: { edges: [] },
    });
    expect(errorOf(await owner.call(`mutation { retryTask(id: "${id}") { id } }`))).toEqual({ code: 'NOT_FOUND' });
    for (const field of ['taskUpdated', 'taskEvents', 'taskLogs']) {
      const refused = subscribe(app.yoga, owner.headers, `subscription { ${field}(id: "${id}") { __typename } }`);
      await expect(refused).rejects.toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
    }
  });

  test('sets its idempotency key free', async () => {
    const create =
      'mutation ($payload: JSON) { createTask(input: { type: "echo", idempotencyKey: "k", payload: $payload }) { id } }';
    const { data } = await owner.call(create, { payload: 1 });
    const { id } = data.createTask;
    await owner.call(`mutation { cancelTask(id: "${id}") { id } }`);
    expect(errorOf(await owner.call(create, { payload: 2 }))).toMatchObject({ code: 'CONFLICT' });
    expect(await deleteAll({ ids: [id] })).toMatchObject({ done: 1 });
    const again = await owner.call(create, { payload: 2 });
    expect(again.data.createTask.id).not.toBe(id);
  });
});
