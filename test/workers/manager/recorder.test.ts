import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { claim, complete, fail } from '../../../src/broker/calls.ts';
import { eventsKey, realtimeChannel } from '../../../src/broker/keys.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { type Change, decodeChange } from '../../../src/realtime/change.ts';
import { TermOverError } from '../../../workers/manager/record-store.ts';
import { Factory } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { findContradictions } from '../../support/invariants.ts';
import { beginTestTerm } from '../../support/leading.ts';
import { setup, startPrivatePostgres, waitFor } from '../../support/setup.ts';

let app: FactoryApp;
let factory: Factory;
let shard: Shard;
let published: Change[];

beforeEach(async () => {
  app = await setupFactory();
  factory = app.factory;
  [shard] = app.broker.low.shards as [Shard];
  published = [];
  const subscriber = app.broker.low.connect();
  await subscriber.psubscribe(realtimeChannel(app.broker.prefix, 'low', 0).replace(/0$/, '*'));
  subscriber.on('pmessage', (_pattern, _channel, message: string) =>
    published.push(...message.split('\n').map(decodeChange)),
  );
  return () => subscriber.disconnect();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await app.close();
});

const backlog = () => shard.lane.redis.xlen(eventsKey(shard.tag));
const drained = () => waitFor(async () => (await backlog()) === 0, { what: 'the stream is empty' });
const take = (limit = 10_000) =>
  claim(shard, { worker: 'w', limit, leaseMs: 60_000, lowFirst: 0, queues: '*', types: 'echo' });
/** Claims and completes all that waits; entries of `size` transitions. */
const work = async (size = 1_000, result = '"done"') => {
  for (;;) {
    const claims = await take(size);
    if (claims.length === 0) return;
    await complete(
      shard,
      { worker: 'w' },
      claims.map(({ id, token }) => ({ id, token, result })),
    );
  }
};
const later = (changes: Change[]) => changes.filter(({ seq }) => seq > 1);
const statusesOf = async (ownerId: string) => {
  const tasks = await app.database.task.findMany({ where: { ownerId }, orderBy: { id: 'asc' } });
  return tasks.map(({ status }) => status);
};

describe('the recorder', () => {
  test('writes what the stream holds, publishes it in the order of the feed, and empties the stream', async () => {
    const ownerId = await factory.owner();
    await factory.submit(Array.from({ length: 3_000 }, () => ({ ownerId })));
    await work(700);
    await using t = await beginTestTerm(app, shard);
    t.record();
    await drained();
    expect(await app.database.task.count({ where: { ownerId, status: 'COMPLETED' } })).toBe(3_000);
    await waitFor(() => later(published).length === 6_000);
    expect(later(published).map(({ position }) => position)).toEqual(
      Array.from({ length: 6_000 }, (_, i) => 3_001 + i),
    );
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('writes what comes while it runs', async () => {
    await using t = await beginTestTerm(app, shard);
    t.record();
    const task = await factory.queued();
    await work();
    await waitFor(async () => (await factory.task(task.id)).status === 'COMPLETED');
  });

  test('drops an entry only after it was published, and lets the next leader publish it again', async () => {
    const task = await factory.queued({ ownerId: await factory.owner() });
    await work();
    const publish = vi.spyOn(shard.lane.redis, 'publish').mockRejectedValue(new Error('cut off'));
    {
      await using t = await beginTestTerm(app, shard);
      await expect(t.record()).rejects.toThrow('cut off');
    }
    expect(await factory.task(task.id)).toMatchObject({ status: 'COMPLETED' });
    expect(await backlog()).toBe(2);
    expect(later(published)).toEqual([]);

    publish.mockRestore();
    await using t = await beginTestTerm(app, shard);
    t.record();
    await drained();
    await waitFor(() => later(published).length === 2);
    expect(later(published).map(({ position, status, data }) => [position, status, data])).toEqual([
      [2, 'PROCESSING', ''],
      [3, 'COMPLETED', '"done"'],
    ]);
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('is not held up by what is no JSON, or contradicts PostgreSQL', async () => {
    const ownerId = await factory.owner();
    await factory.submit(Array.from({ length: 3 }, () => ({ ownerId })));
    const [bad, wrong, good] = await take();
    const report = (held: typeof bad, result: string) => ({ id: held?.id ?? '', token: held?.token ?? '', result });
    await complete(shard, { worker: 'w' }, [report(bad, 'no JSON \t'), report(good, '1')]);
    await shard.lane.redis.xadd(
      eventsKey(shard.tag),
      '*',
      'at',
      '5',
      'e',
      `${wrong?.id}\t9\tCOMPLETED\t1\t${ownerId}\tdefault\techo\tw\t\t1`,
    );
    await using t = await beginTestTerm(app, shard);
    t.record();
    await drained();
    expect(await statusesOf(ownerId)).toEqual(['COMPLETED', 'PROCESSING', 'COMPLETED']);
    expect((await factory.task(bad?.id ?? '')).result).toBe('no JSON  ');
    await waitFor(() => later(published).length === 5);
    expect(published.find(({ taskId, seq }) => taskId === bad?.id && seq === 3)?.data).toBe('"no JSON  "');
  });

  test('of an older term writes nothing, publishes nothing, and stops', async () => {
    const task = await factory.queued();
    await work();
    await using older = await beginTestTerm(app, shard);
    await using newer = await beginTestTerm(app, shard);
    await expect(older.record()).rejects.toThrow(TermOverError);
    expect(await factory.task(task.id)).toMatchObject({ status: 'QUEUED', seq: 1 });
    expect(await backlog()).toBe(2);
    expect(later(published)).toEqual([]);
    newer.record();
    await drained();
    expect(await factory.task(task.id)).toMatchObject({ status: 'COMPLETED', seq: 3 });
  });

  test('drains what the stream holds and no more', async () => {
    const tasks = await factory.submit(Array.from({ length: 500 }, () => ({})));
    await work(50);
    await using t = await beginTestTerm(app, shard);
    await t.recorder.drain(t.signal);
    expect(await backlog()).toBe(0);
    for (const { id } of tasks.slice(0, 5)) expect(await factory.task(id)).toMatchObject({ status: 'COMPLETED' });
    await t.recorder.drain(t.signal);
  });

  test('tells when it has recorded up to an entry', async () => {
    await factory.queued();
    await work();
    const [last] = await shard.lane.redis.xrevrange(eventsKey(shard.tag), '+', '-', 'COUNT', 1);
    await using t = await beginTestTerm(app, shard);
    let isRecorded = false;
    const recorded = t.recorder.recordedUpTo(last?.[0] ?? '', t.signal).then(() => {
      isRecorded = true;
    });
    await backlog();
    expect(isRecorded).toBe(false);
    t.record();
    await recorded;
    expect(await backlog()).toBe(0);
    await t.recorder.recordedUpTo(last?.[0] ?? '', t.signal);
  });

  test('stops waiting for an entry when it is closed', async () => {
    await using t = await beginTestTerm(app, shard);
    const waiting = t.recorder.recordedUpTo('9999999999999-0', AbortSignal.abort());
    await waiting;
    const end = new AbortController();
    const other = t.recorder.recordedUpTo('9999999999999-0', end.signal);
    end.abort();
    t.recorder.close();
    await other;
  });

  test('keeps the errors and due times of attempts that failed', async () => {
    const { task, claim: held } = await factory.processing();
    await fail(shard, { worker: 'w' }, [
      { id: task.id, token: held.token, error: '{"message":"no"}', retry: 1, delayMs: 60_000 },
    ]);
    await using t = await beginTestTerm(app, shard);
    t.record();
    await drained();
    const row = await factory.task(task.id);
    expect(row).toMatchObject({ status: 'SCHEDULED', error: { message: 'no' }, workerId: null, attempt: 1 });
    expect(Math.abs((row.runAt?.getTime() ?? 0) - Date.now() - 60_000)).toBeLessThan(5_000);
  });
});

test('the recorder waits while PostgreSQL is away, and goes on by itself', async () => {
  await using postgres = await startPrivatePostgres();
  await using own = await setup({ postgres });
  const mine = new Factory(own);
  const { task, claim: held, shard: place } = await mine.processing();
  await using t = await beginTestTerm(own, place);
  t.record();
  await postgres.kill();
  await complete(place, { worker: 'w' }, [{ id: task.id, token: held.token, result: '"late"' }]);
  expect(await place.lane.redis.xlen(eventsKey(place.tag))).toBe(1);
  await postgres.start();
  await waitFor(async () => (await place.lane.redis.xlen(eventsKey(place.tag))) === 0);
  expect(await mine.task(task.id)).toMatchObject({ status: 'COMPLETED', result: 'late' });
  await mine.close();
});
