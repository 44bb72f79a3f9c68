import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claim } from '../../src/broker/calls.ts';
import { purgesKey } from '../../src/broker/keys.ts';
import { newId } from '../../src/ids.ts';
import { createPurgePasses, purgeNext } from '../../src/operations/purge-queue.ts';
import { toNewTask } from '../../src/tasks/new-task.ts';
import { errorOf, type TestUser } from '../support/api.ts';
import { taskInput } from '../support/factory.ts';
import {
  countByStatus,
  type ManagedApi,
  setupManagedApi,
  startPurge,
  submitMany,
  untilEnded,
} from '../support/operating.ts';
import { waitFor } from '../support/setup.ts';

let app: ManagedApi;
let admin: TestUser;
let user: TestUser;

beforeAll(async () => {
  app = await setupManagedApi();
  admin = await app.admin();
  user = await app.user();
});
afterAll(() => app.close());

const countsOf = (queue: string) => countByStatus(app, { queue });
const purged = async (queue: string, by = admin) => untilEnded(app, by, (await startPurge(by, queue)).id);

/** A purge that no manager works on. */
const heldBack = (queue: string, brokerCount = 0) =>
  app.database.operation.create({
    data: {
      id: newId(),
      actorId: admin.id,
      kind: 'PURGE',
      filter: {},
      queue,
      brokerCount,
      isDryRun: false,
      tries: 1,
      updatedAt: new Date('2999-01-01'),
    },
  });

describe('purging a queue', () => {
  test('ends all its waiting tasks, of all owners, lanes and types, and no others', async () => {
    await submitMany(user, 700, { queue: 'a' });
    await submitMany(user, 20, { queue: 'a', priority: 'HIGH' });
    await submitMany(admin, 20, { queue: 'a', priority: 'LOW', type: 'sleep' });
    await submitMany(admin, 20, { queue: 'a', runAt: '2999-01-01T00:00:00Z' });
    await submitMany(user, 5, { queue: 'b' });
    await submitMany(user, 5, { queue: 'b', runAt: '2999-01-01T00:00:00Z' });
    const begun = await startPurge(admin, 'a', 'moved elsewhere');
    expect(begun).toMatchObject({ kind: 'PURGE', queue: 'a', reason: 'moved elsewhere', ownerId: null, where: null });
    const { status, matched, done, skipped } = await untilEnded(app, admin, begun.id);
    expect({ status, matched, done, skipped }).toEqual({ status: 'COMPLETED', matched: 760, done: 760, skipped: 0 });
    await waitFor(async () => (await countsOf('a')).CANCELLED === 760, { what: 'all are recorded' });
    expect(await countsOf('b')).toEqual({ QUEUED: 5, SCHEDULED: 5 });
    const [task] = await app.database.task.findMany({ where: { queue: 'a' }, take: 1 });
    expect(task?.cancelReason).toEqual({ reason: 'PURGED', message: 'moved elsewhere', operationId: begun.id });
    const { data } = await user.call('{ queue(name: "a") { counts { scheduled queued } } }');
    expect(data.queue.counts).toEqual({ scheduled: 0, queued: 0 });
  });

  test('lets running tasks go on, and what is submitted after it', async () => {
    const [first = ''] = await submitMany(user, 1, { queue: 'c' });
    const shard = app.broker.shardFor('NORMAL', first);
    await waitFor(async () => {
      const request = { worker: 'w', limit: 1, leaseMs: 60_000, lowFirst: 0, queues: 'c', types: 'echo' };
      return (await claim(shard, request)).length === 1;
    });
    await submitMany(user, 50, { queue: 'c' });
    const { id } = await startPurge(admin, 'c');
    const later = await submitMany(user, 50, { queue: 'c' });
    expect(await untilEnded(app, admin, id)).toMatchObject({ done: 50 });
    await waitFor(async () => (await countsOf('c')).CANCELLED === 50);
    expect(await countsOf('c')).toEqual({ CANCELLED: 50, PROCESSING: 1, QUEUED: 50 });
    const left = await app.database.task.findMany({ where: { queue: 'c', status: 'QUEUED' }, orderBy: { id: 'asc' } });
    expect(left.map((task) => task.id)).toEqual(later.toSorted());
  });

  test('finds the tasks of submitters that died before Redis had them', async () => {
    const { services, writer } = app.factory;
    const lost = Array.from({ length: 30 }, () =>
      toNewTask(user.id, taskInput({ queue: 'd' }), 'input', services.taskRules),
    );
    // Committed with their outbox row, and never enqueued.
    await writer.writeWithin(app.database, lost, writer.knownEpochs());
    expect(await purged('d')).toMatchObject({ status: 'COMPLETED', matched: 30, done: 30, skipped: 0 });
    await waitFor(async () => (await countsOf('d')).CANCELLED === 30);
  });

  test('counts once what one lane has ended, also when the other one lost its count', async () => {
    await submitMany(user, 3, { queue: 'e' });
    const operation = await heldBack('e', 900);
    const { high, low } = app.broker;
    await low.redis.hset(purgesKey(low.shards[0]?.tag as string), operation.id, 700);
    expect(await high.redis.hget(purgesKey(high.shards[0]?.tag as string), operation.id)).toBeNull();
    const passes = createPurgePasses();
    let done = 0;
    for (let { brokerCount } = operation, isOver = false; !isOver; ) {
      const step = await purgeNext(app.broker, passes, { ...operation, brokerCount });
      done += step.done ?? 0;
      brokerCount = step.brokerCount ?? brokerCount;
      isOver = step.isOver === true;
    }
    expect(done).toBe(3);
  });

  test('of nothing ends at once', async () => {
    expect(await purged('nobody')).toMatchObject({ status: 'COMPLETED', matched: 0, done: 0 });
  });

  test('takes an admin, or the API key of one with QUEUES_ADMIN, who then sees how far it is', async () => {
    expect(errorOf(await user.call('mutation { purgeQueue(name: "x") { id } }'))).toEqual({ code: 'FORBIDDEN' });
    expect(errorOf(await admin.call('mutation { purgeQueue(name: "X") { id } }'))).toMatchObject({ field: 'name' });
    const headers = await app.keyOf(admin, ['QUEUES_ADMIN', 'TASKS_READ']);
    const key = { ...admin, headers, call: (query: string, variables = {}) => app.call(query, variables, headers) };
    expect(await purged('x', key)).toMatchObject({ status: 'COMPLETED', actorId: admin.id });
  });

  test('is ended only by those who might have begun it', async () => {
    const { id } = await heldBack('y');
    const cancel = `mutation { cancelOperation(id: "${id}") { status } }`;
    const headers = await app.keyOf(admin, ['TASKS_WRITE']);
    expect(errorOf(await app.call(cancel, {}, headers))).toEqual({ code: 'FORBIDDEN' });
    expect(errorOf(await user.call(cancel))).toEqual({ code: 'NOT_FOUND' });
    expect((await admin.call(cancel)).data.cancelOperation).toEqual({ status: 'CANCELLED' });
  });
});
