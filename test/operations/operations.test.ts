import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { claim } from '../../src/broker/calls.ts';
import { countFitting } from '../../src/operations/scan-tasks.ts';
import { errorOf, type TestUser } from '../support/api.ts';
import { makeEndedTasks } from '../support/many-tasks.ts';
import {
  ask,
  type BulkMutation,
  carryOut,
  countByStatus,
  type ManagedApi,
  setupManagedApi,
  start,
  submitMany,
  untilEnded,
  watchOperation,
} from '../support/operating.ts';
import { query, waitFor } from '../support/setup.ts';

let app: ManagedApi;
let owner: TestUser;
let stranger: TestUser;

beforeAll(async () => {
  app = await setupManagedApi();
  stranger = await app.user();
});
afterAll(() => app.close());

const done = (user: TestUser, kind: BulkMutation, where: object, more: object = {}) =>
  carryOut(app, user, kind, { ...where }, { ...more });
const ended = (id: string) => untilEnded(app, owner, id);
const countsOf = (ownerId: string, more: object = {}) => countByStatus(app, { ownerId, ...more });

/** Makes each transaction that changes tasks last longer, until the test is over. */
const linger = async (ms: number): Promise<void> => {
  await query(
    app.databaseUrl,
    `CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(${ms / 1_000}); RETURN NULL; END $$;
     CREATE TRIGGER linger AFTER UPDATE ON operations FOR EACH STATEMENT EXECUTE FUNCTION linger()`,
  );
  onTestFinished(async () => {
    await query(app.databaseUrl, 'DROP FUNCTION linger CASCADE');
  });
};

describe('an operation on 5,000 tasks', () => {
  const COUNT = 5_000;

  test('puts them back, and no others; its dry run said so before', async () => {
    owner = await app.user();
    await makeEndedTasks(app, { ownerId: owner.id, count: COUNT, status: 'FAILED', queue: 'a' });
    await makeEndedTasks(app, { ownerId: owner.id, count: 30, status: 'FAILED', queue: 'b' });
    await makeEndedTasks(app, { ownerId: owner.id, count: 20, status: 'COMPLETED', queue: 'a' });
    await makeEndedTasks(app, { ownerId: stranger.id, count: 10, status: 'FAILED', queue: 'a' });
    const where = { queue: ['a'] };
    const dry = await done(owner, 'retryTasks', where, { dryRun: true });
    expect(dry).toMatchObject({ kind: 'RETRY', status: 'COMPLETED', isDryRun: true, where });
    expect(dry).toMatchObject({ matched: COUNT + 20, done: COUNT, skipped: 20, error: null });
    expect(await countsOf(owner.id)).toEqual({ FAILED: COUNT + 30, COMPLETED: 20 });

    const real = await done(owner, 'retryTasks', where);
    expect(real).toMatchObject({ matched: dry.matched, done: dry.done, skipped: dry.skipped, isDryRun: false });
    expect(await countsOf(owner.id)).toEqual({ QUEUED: COUNT, FAILED: 30, COMPLETED: 20 });
    expect(await countsOf(stranger.id)).toEqual({ FAILED: 10 });
    expect(await app.database.deadLetter.count({ where: { ownerId: owner.id } })).toBe(30);
    await waitFor(
      async () => (await owner.call('{ queue(name: "a") { counts { queued } } }')).data.queue.counts.queued === COUNT,
      { what: 'Redis has them all' },
    );
  });

  test('cancels them, and no others; its dry run said so before', async () => {
    owner = await app.user();
    await submitMany(owner, COUNT - 500, { queue: 'c', tags: ['x'] });
    await submitMany(owner, 250, { queue: 'c', tags: ['x'], runAt: '2999-01-01T00:00:00Z' });
    await submitMany(owner, 250, { queue: 'c', tags: ['x'], priority: 'HIGH' });
    await submitMany(owner, 10, { queue: 'c' });
    await submitMany(stranger, 10, { queue: 'c', tags: ['x'] });
    await makeEndedTasks(app, { ownerId: owner.id, count: 20, status: 'COMPLETED', queue: 'c', tags: ['x'] });
    const where = { tags: ['x'] };
    const dry = await done(owner, 'cancelTasks', where, { dryRun: true });
    expect(dry).toMatchObject({ matched: COUNT + 20, done: COUNT, skipped: 20 });
    const real = await done(owner, 'cancelTasks', where);
    expect(real).toMatchObject({ matched: COUNT + 20, done: COUNT, skipped: 20, status: 'COMPLETED' });
    await waitFor(async () => (await countsOf(owner.id)).CANCELLED === COUNT, { what: 'all are recorded' });
    expect(await countsOf(owner.id)).toEqual({ CANCELLED: COUNT, QUEUED: 10, COMPLETED: 20 });
    expect(await countsOf(stranger.id, { queue: 'c' })).toEqual({ QUEUED: 10 });
  });

  test('deletes them with all that belongs to them, and no others; its dry run said so before', async () => {
    owner = await app.user();
    const ids = await makeEndedTasks(app, { ownerId: owner.id, count: COUNT, status: 'FAILED', queue: 'd' });
    await makeEndedTasks(app, { ownerId: owner.id, count: 5, status: 'COMPLETED', queue: 'other' });
    const live = await submitMany(owner, 7, { queue: 'd' });
    await makeEndedTasks(app, { ownerId: stranger.id, count: 10, status: 'FAILED', queue: 'd' });
    const where = { queue: ['d'] };
    const dry = await done(owner, 'deleteTasks', where, { dryRun: true });
    expect(dry).toMatchObject({ matched: COUNT + 7, done: COUNT, skipped: 7 });
    const real = await done(owner, 'deleteTasks', where);
    expect(real).toMatchObject({ matched: COUNT + 7, done: COUNT, skipped: 7, status: 'COMPLETED' });
    expect(await countsOf(owner.id)).toEqual({ QUEUED: live.length, COMPLETED: 5 });
    expect(await countsOf(stranger.id, { queue: 'd' })).toEqual({ FAILED: 10 });
    const among = { taskId: { in: ids } };
    const left = await Promise.all([
      app.database.taskEvent.count({ where: among }),
      app.database.taskLog.count({ where: among }),
      app.database.deadLetter.count({ where: among }),
    ]);
    expect(left).toEqual([0, 0, 0]);
    expect((await owner.call(`{ task(id: "${ids[0]}") { id } }`)).data.task).toBeNull();
  });
});

describe('an operation', () => {
  test('takes a filter, or a word that all tasks are meant', async () => {
    owner = await app.user();
    for (const where of [{}, { ids: null, status: null }, { tags: [], payload: [] }]) {
      expect(errorOf(await ask(owner, 'deleteTasks', where))).toEqual({ code: 'BAD_USER_INPUT', field: 'where' });
    }
    expect(errorOf(await ask(owner, 'deleteTasks', { queue: ['A'] }))).toMatchObject({ field: 'where.queue.0' });
    await makeEndedTasks(app, { ownerId: owner.id, count: 3, status: 'COMPLETED' });
    expect(await done(owner, 'deleteTasks', { ids: [] })).toMatchObject({ matched: 0, done: 0 });
    expect(await done(owner, 'deleteTasks', {}, { all: true })).toMatchObject({ matched: 3, done: 3 });
  });

  test('finds tasks by id, by time, and dead letters among others', async () => {
    owner = await app.user();
    const failed = await makeEndedTasks(app, { ownerId: owner.id, count: 1_200, status: 'FAILED' });
    const completed = await makeEndedTasks(app, { ownerId: owner.id, count: 3, status: 'COMPLETED' });
    const ids = [completed[0], failed[1], failed[0]?.toUpperCase(), '01900000-0000-7000-8000-000000000000'];
    expect(await done(owner, 'retryTasks', { ids })).toMatchObject({ matched: 3, done: 2, skipped: 1 });
    const past = { createdBefore: '2020-01-01T00:00:00Z' };
    expect(await done(owner, 'retryTasks', past)).toMatchObject({ matched: 0 });
    expect(
      await done(owner, 'deleteTasks', { createdAfter: '2020-01-01T00:00:00Z', status: ['COMPLETED'] }),
    ).toMatchObject({ matched: 3, done: 3 });
    expect(await done(owner, 'retryTasks', { status: ['FAILED'] })).toMatchObject({ matched: 1_198, done: 1_198 });
    expect(await countsOf(owner.id)).toEqual({ QUEUED: 1_200 });
  });

  test('finds tasks by what is in their payload', async () => {
    owner = await app.user();
    for (const payload of [{ book: { id: 7 } }, { book: { id: 8 } }, { book: null }]) {
      await submitMany(owner, 3, { queue: 'books', payload });
    }
    const where = { queue: ['books'], payload: [{ path: 'book.id', equals: 7 }] };
    expect(await done(owner, 'cancelTasks', where)).toMatchObject({ where, matched: 3, done: 3 });
    const nothing = { queue: ['books'], payload: [{ path: 'book', equals: null }] };
    expect(await done(owner, 'cancelTasks', nothing)).toMatchObject({ where: nothing, matched: 3, done: 3 });
  });

  test('puts large tasks back in portions that fit into the memory', async () => {
    owner = await app.user();
    const ids = await makeEndedTasks(app, { ownerId: owner.id, count: 100, status: 'FAILED' });
    await app.database.$executeRaw`
      UPDATE tasks SET payload = to_jsonb(repeat('x', 262142)) WHERE owner_id = ${owner.id}::uuid`;
    expect(await countFitting(app.database, ids)).toBe(64);
    expect(await countFitting(app.database, ids.slice(0, 10))).toBe(10);
    expect(await done(owner, 'retryTasks', { status: ['FAILED'] })).toMatchObject({ matched: 100, done: 100 });
    expect(await countsOf(owner.id)).toEqual({ QUEUED: 100 });
  });

  test('counts what tasks will be told of those that they waited for', async () => {
    owner = await app.user();
    const [parentId, ...ids] = await makeEndedTasks(app, { ownerId: owner.id, count: 21, status: 'CANCELLED' });
    await app.database.$executeRaw`
      UPDATE tasks SET status = 'COMPLETED', result = to_json(repeat('x', 2097150)) WHERE id = ${parentId}::uuid`;
    const rows = ids.map((childId) => ({ childId, parentId: parentId ?? '', place: 0, onFailure: 'RUN' as const }));
    await app.database.taskDependency.createMany({ data: rows });
    expect(await countFitting(app.database, ids)).toBe(7);
    expect(await done(owner, 'retryTasks', { ids })).toMatchObject({ matched: 20, done: 20 });
  });

  test('leaves alone what is submitted after it', async () => {
    owner = await app.user();
    await submitMany(owner, 10, { queue: 'e' });
    const { id } = await start(owner, 'cancelTasks', { queue: ['e'] });
    await submitMany(owner, 10, { queue: 'e' });
    expect(await ended(id)).toMatchObject({ matched: 10, done: 10 });
    await waitFor(async () => (await countsOf(owner.id)).CANCELLED === 10);
    expect(await countsOf(owner.id)).toEqual({ CANCELLED: 10, QUEUED: 10 });
  });

  test('tells running tasks to stop, with its reason', async () => {
    owner = await app.user();
    const [id = ''] = await submitMany(owner, 1, { queue: 'f' });
    const shard = app.broker.shardFor('NORMAL', id);
    const served = { queues: 'f', types: 'echo' };
    const claimed = await waitFor(async () => {
      const claims = await claim(shard, { worker: 'w', limit: 1, leaseMs: 60_000, lowFirst: 0, ...served });
      return claims[0];
    });
    expect(claimed.id).toBe(id);
    await waitFor(async () => (await countsOf(owner.id)).PROCESSING === 1);
    const { data } = await owner.call(
      'mutation { cancelTasks(where: { queue: ["f"] }, reason: "a mistake") { id reason } }',
    );
    expect(data.cancelTasks.reason).toBe('a mistake');
    expect(await ended(data.cancelTasks.id)).toMatchObject({ matched: 1, done: 1, skipped: 0 });
    const task = await waitFor(async () => {
      const answer = await owner.call(`{ task(id: "${id}") { status cancelRequestedAt cancelReason } }`);
      return answer.data.task.cancelRequestedAt !== null && answer.data.task;
    });
    expect(task).toMatchObject({ status: 'PROCESSING', cancelReason: 'a mistake' });
  });

  test('does not put tasks into a queue that is draining', async () => {
    owner = await app.user();
    await makeEndedTasks(app, { ownerId: owner.id, count: 3, status: 'FAILED', queue: 'open' });
    await makeEndedTasks(app, { ownerId: owner.id, count: 4, status: 'FAILED', queue: 'shut' });
    await app.database.queue.create({ data: { name: 'shut', isDraining: true } });
    for (const dryRun of [true, false]) {
      expect(await done(owner, 'retryTasks', { status: ['FAILED'] }, { dryRun })).toMatchObject({
        done: 3,
        skipped: 4,
      });
    }
  });

  test('shares tasks with another one: each is deleted or put back, and counted once', async () => {
    owner = await app.user();
    await makeEndedTasks(app, { ownerId: owner.id, count: 3_000, status: 'FAILED' });
    const begun = await Promise.all(
      (['retryTasks', 'deleteTasks', 'retryTasks', 'deleteTasks'] as const).map((kind) =>
        start(owner, kind, { status: ['FAILED'] }),
      ),
    );
    const outcomes = await Promise.all(begun.map(({ id }) => ended(id)));
    expect(outcomes.map(({ status }) => status)).toEqual(Array(4).fill('COMPLETED'));
    const [retried, deleted] = [0, 1].map((i) => outcomes[i].done + outcomes[i + 2].done) as [number, number];
    expect(retried + deleted).toBe(3_000);
    expect(await countsOf(owner.id)).toEqual(retried > 0 ? { QUEUED: retried } : {});
  });

  test('shows how far it is, at most four times a second, and its end', async () => {
    owner = await app.user();
    await makeEndedTasks(app, { ownerId: owner.id, count: 5_000, status: 'CANCELLED' });
    await linger(100);
    const { id } = await start(owner, 'retryTasks', { status: ['CANCELLED'] });
    const startedAt = performance.now();
    const watch = await watchOperation(app, owner, id);
    const states = await watch.rest();
    expect(states.at(-1)).toMatchObject({ status: 'COMPLETED', done: 5_000 });
    const counts = states.map((state) => state.done as number);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts.some((count) => count > 0 && count < 5_000)).toBe(true);
    expect(states.length).toBeLessThanOrEqual((performance.now() - startedAt) / 250 + 2);
  });

  test('can be ended in the middle; what it did stays done', async () => {
    owner = await app.user();
    await makeEndedTasks(app, { ownerId: owner.id, count: 5_000, status: 'COMPLETED' });
    await linger(100);
    const { id } = await start(owner, 'deleteTasks', { status: ['COMPLETED'] });
    const watch = await watchOperation(app, owner, id);
    for (;;) if ((await watch.take(1))[0].done > 0) break;
    const cancel = () => owner.call(`mutation { cancelOperation(id: "${id}") { status done finishedAt } }`);
    const { data } = await cancel();
    expect(data.cancelOperation.status).toBe('CANCELLED');
    expect(data.cancelOperation.done).toBeLessThan(5_000);
    expect((await watch.rest()).at(-1)).toMatchObject({ status: 'CANCELLED', done: data.cancelOperation.done });
    expect(await countsOf(owner.id)).toEqual({ COMPLETED: 5_000 - data.cancelOperation.done });
    expect(errorOf(await cancel())).toEqual({ code: 'CONFLICT' });
  });

  test('is one of at most a hundred of its user that have not ended', async () => {
    owner = await app.user();
    // Not to be tried again before the year 2999, so that no manager takes them.
    const data = Array.from({ length: 100 }, (_, i) => ({
      id: `01900000-0000-7000-8000-${String(i).padStart(12, '0')}`,
      ownerId: owner.id,
      actorId: owner.id,
      kind: 'RETRY' as const,
      filter: {},
      isDryRun: false,
      tries: 1,
      updatedAt: new Date('2999-01-01'),
    }));
    await app.database.operation.createMany({ data });
    const refused = errorOf(await ask(owner, 'retryTasks', { queue: ['x'] }));
    expect(refused).toEqual({ code: 'CONFLICT', limit: 100 });
    await app.database.operation.deleteMany({ where: { actorId: owner.id } });
  });
});
