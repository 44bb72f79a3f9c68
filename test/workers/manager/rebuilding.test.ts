import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { complete, fail, heartbeat, setEpoch } from '../../../src/broker/calls.ts';
import { BrokerNotReadyError, BrokerStaleError } from '../../../src/broker/define-function.ts';
import { encodeHead } from '../../../src/broker/event-stream.ts';
import { metaKey } from '../../../src/broker/keys.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { EPOCH_JUMP, moveOnAfterRestore } from '../../../src/database/after-restore.ts';
import type { Task } from '../../../src/tasks/task-store.ts';
import { TermOverError } from '../../../workers/manager/record-store.ts';
import type { Factory } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { findContradictions } from '../../support/invariants.ts';
import { beginTestTerm } from '../../support/leading.ts';
import { waitFor } from '../../support/setup.ts';
import { dumpShard, event } from '../../support/shard-state.ts';

let app: FactoryApp;
let factory: Factory;
let shard: Shard;

beforeEach(async () => {
  app = await setupFactory();
  factory = app.factory;
  [shard] = app.broker.low.shards as [Shard];
});
afterEach(() => app.close());

/** What FLUSHALL does to a shard. */
const loseAll = async (place = shard): Promise<void> => {
  const keys = await place.lane.redis.keys(`${place.tag}:*`);
  if (keys.length > 0) await place.lane.redis.del(keys);
};
const meta = () => shard.lane.redis.hgetall(metaKey(shard.tag));
const line = (task: Task) => `line:${task.priority}|${task.queue}|${task.type}`;
/** Its payload as PostgreSQL writes it. */
const textOf = (task: Task) => `${encodeHead(task)}\n{"n": 1}`;

/** Begins a term, and rebuilds the shard where that is needed. */
const lead = async (place = shard) => {
  const t = await beginTestTerm(app, place);
  const isLost = await t.reconciler.begin(t.signal);
  if (isLost) await t.reconciler.rebuild(t.signal);
  return { ...t, isLost, [Symbol.asyncDispose]: t[Symbol.asyncDispose] };
};

describe('rebuilding a shard that lost everything', () => {
  test('puts back what has not ended, as PostgreSQL knows it', async () => {
    const queued = await factory.queued();
    const later = await factory.scheduled({ timeoutMs: 500 });
    const held = await factory.processing({ priority: 'LOW' });
    const failing = await factory.processing();
    const delay = { error: '{"message":"no"}', retry: 1, delayMs: 60_000 };
    await fail(shard, { worker: 'w' }, [{ id: failing.task.id, token: failing.claim.token, ...delay }]);
    await factory.record(shard);
    const retry = await factory.task(failing.task.id);
    await factory.completed();
    await factory.failed();
    await factory.queued({ priority: 'HIGH' });
    await loseAll();

    await using t = await lead();

    expect(t.isLost).toBe(true);
    const head = encodeHead(held.task);
    expect(await dumpShard(shard)).toEqual({
      meta: { epoch: '3', state: 'ready', runId: expect.stringMatching(/^\w{40}$/) },
      ...Object.fromEntries([queued, later, held.task, retry].map((task) => [`task:${task.id}`, textOf(task)])),
      [`run:${held.task.id}`]: `3\t1\t\t\t${head}`,
      [`run:${retry.id}`]: `3\t1\t\t\t${encodeHead(retry)}`,
      [line(queued)]: [queued.id],
      [line(held.task)]: [held.task.id],
      lines: ['LOW', 'NORMAL'].map((priority) => expect.stringMatching(priority)),
      'wake:default|echo': ['1'],
      'wake:*|echo': ['1'],
      [`wake:${held.task.queue}|echo`]: ['1'],
      scheduled: { [later.id]: later.runAt?.getTime(), [retry.id]: retry.runAt?.getTime() },
      timer: ['1'],
      counts: {
        'default|QUEUED': '1',
        'default|SCHEDULED': '1',
        [`${held.task.queue}|QUEUED`]: '1',
        [`${retry.queue}|SCHEDULED`]: '1',
      },
      events: [
        [event(held.task.id, 3, 'QUEUED', { ...placeOf(held.task), attempt: 1, data: '{"reason":"BROKER_LOST"}' })],
      ],
    });
    t.record();
    await waitFor(async () => (await factory.task(held.task.id)).seq === 3);
    expect(await factory.task(held.task.id)).toMatchObject({ status: 'QUEUED', attempt: 1, workerId: null });
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('gives each lane its own tasks', async () => {
    const [high, normal] = [await factory.queued({ priority: 'HIGH' }), await factory.queued()];
    const [highShard] = app.broker.high.shards as [Shard];
    for (const place of [shard, highShard]) await loseAll(place);
    await using one = await lead(highShard);
    await using two = await lead(shard);
    expect([one.isLost, two.isLost]).toEqual([true, true]);
    expect(await dumpShard(highShard)).toMatchObject({ [line(high)]: [high.id], counts: { 'default|QUEUED': '1' } });
    expect(await dumpShard(shard)).toMatchObject({ [line(normal)]: [normal.id], counts: { 'default|QUEUED': '1' } });
  });

  test('shuts out workers who knew it before', async () => {
    const { task, claim: held } = await factory.processing();
    await loseAll();
    await using t = await lead();
    expect(await complete(shard, { worker: 'w' }, [{ id: task.id, token: held.token, result: '1' }])).toEqual([
      task.id,
    ]);
    t.record();
  });

  test('takes in what is submitted meanwhile, once', async () => {
    await factory.queued();
    await loseAll();
    await using t = await beginTestTerm(app, shard);
    await t.reconciler.begin(t.signal);
    expect(await meta()).toMatchObject({ state: 'rebuilding', epoch: '3' });
    await factory.epochs.refresh();
    const fresh = await factory.queued();
    await t.reconciler.rebuild(t.signal);
    expect(await meta()).toMatchObject({ state: 'ready', epoch: '3' });
    expect(await dumpShard(shard)).toMatchObject({ [line(fresh)]: { length: 2 }, counts: { 'default|QUEUED': '2' } });
  });

  test('finds more tasks than it reads at once', async () => {
    const many = (count: number) => factory.submit(Array.from({ length: count }, () => ({})));
    for (const count of [8_000, 8_000, 8_000]) await many(count);
    const ended = await app.database.$executeRaw`
      UPDATE tasks SET status = 'COMPLETED', finished_at = now() WHERE abs(hashtext(id::text)) % 3 = 0`;
    await loseAll();
    await using t = await lead();
    expect(t.isLost).toBe(true);
    expect((await dumpShard(shard)).counts).toEqual({ 'default|QUEUED': String(24_000 - ended) });
  }, 60_000);
});

describe('beginning a term', () => {
  test('leaves a shard alone that has its data, but for its epoch', async () => {
    await factory.processing();
    await factory.queued();
    const before = await dumpShard(shard);
    await using t = await lead();
    expect(t.isLost).toBe(false);
    expect(await dumpShard(shard)).toEqual({ ...before, meta: { ...(before.meta as object), epoch: '2' } });
  });

  test('rebuilds a shard that another server had: what is in the stream is recorded first', async () => {
    const [done, held] = [await factory.processing(), await factory.processing()];
    await complete(shard, { worker: 'w' }, [{ id: done.task.id, token: done.claim.token, result: '"kept"' }]);
    await shard.lane.redis.hset(metaKey(shard.tag), 'runId', 'another');
    await using t = await lead();
    expect(t.isLost).toBe(true);
    expect(await factory.task(done.task.id)).toMatchObject({ status: 'COMPLETED', result: 'kept' });
    const state = await dumpShard(shard);
    expect(state).not.toHaveProperty(`task:${done.task.id}`);
    expect(state).toMatchObject({ [line(held.task)]: [held.task.id], meta: { epoch: '3', state: 'ready' } });
  });

  test('rebuilds a shard whose epoch this PostgreSQL never gave out: it was restored from a backup', async () => {
    const task = await factory.queued();
    await shard.lane.redis.hset(metaKey(shard.tag), 'epoch', '7');
    await shard.lane.redis.set(`${shard.tag}:task:ghost`, 'x');
    await using t = await lead();
    expect(t.isLost).toBe(true);
    const state = await dumpShard(shard);
    expect(state).not.toHaveProperty('task:ghost');
    expect(state).toMatchObject({ [line(task)]: [task.id], meta: { epoch: '3', state: 'ready' } });
  });

  test('rebuilds a shard after a restored PostgreSQL was moved on, and shuts out workers from before', async () => {
    const { task, claim: held } = await factory.processing();
    expect(await moveOnAfterRestore(app.databaseUrl)).toEqual({ feeds: 1, shards: 2 });
    await using t = await lead();
    expect(t.isLost).toBe(true);
    expect(await meta()).toMatchObject({ state: 'ready', epoch: String(EPOCH_JUMP + 3n) });
    const late = { id: task.id, token: held.token, result: '1' };
    expect(await complete(shard, { worker: 'w' }, [late])).toEqual([task.id]);
  });

  test('rebuilds a shard whose last leader died while it rebuilt', async () => {
    const tasks = await factory.submit(Array.from({ length: 3 }, () => ({})));
    await loseAll();
    {
      await using died = await beginTestTerm(app, shard);
      await died.reconciler.begin(died.signal);
    }
    await using t = await lead();
    expect(t.isLost).toBe(true);
    expect(await meta()).toMatchObject({ state: 'ready', epoch: '5' });
    expect(await dumpShard(shard)).toMatchObject({ [line(tasks[0] as Task)]: { length: 3 } });
  });

  test('keeps who leads and who works when it empties a shard', async () => {
    await shard.lane.redis.set(`${shard.tag}:leader`, 'me');
    await heartbeat(shard, { worker: 'w1', description: '{}', ttlMs: 60_000 }, [
      { type: 'echo', payloadSchema: 'null', defaults: '{}' },
    ]);
    await factory.queued();
    await shard.lane.redis.set(`${shard.tag}:task:ghost`, 'x');
    await shard.lane.redis.del(metaKey(shard.tag));
    await using t = await lead();
    expect(t.isLost).toBe(true);
    const state = await dumpShard(shard);
    expect(state).toMatchObject({ leader: 'me', types: { echo: 'null' }, workers: { w1: expect.any(String) } });
    expect(state).not.toHaveProperty('task:ghost');
  });

  test('is refused to a leader whose term is over', async () => {
    await using older = await beginTestTerm(app, shard);
    await using newer = await beginTestTerm(app, shard);
    await newer.reconciler.begin(newer.signal);
    const before = await dumpShard(shard);
    await expect(older.reconciler.begin(older.signal)).rejects.toThrow(TermOverError);
    expect(await dumpShard(shard)).toEqual(before);
  });
});

describe('a shard that loses its data again', () => {
  test('before it is rebuilt is not taken for whole', async () => {
    await factory.queued();
    await loseAll();
    await using t = await beginTestTerm(app, shard);
    await t.reconciler.begin(t.signal);
    await loseAll();
    await expect(t.reconciler.rebuild(t.signal)).rejects.toThrow(TermOverError);
    expect(await meta()).toEqual({});
  });

  test('at the last moment of its rebuilding is not taken for whole', async () => {
    await factory.queued();
    await loseAll();
    await using t = await beginTestTerm(app, shard);
    await t.reconciler.begin(t.signal);
    const { redis } = shard.lane;
    const fcall = redis.fcall.bind(redis) as (...args: unknown[]) => Promise<unknown>;
    const spy = vi.spyOn(redis, 'fcall').mockImplementation(async (...args: unknown[]) => {
      if (args[0] === 'tf1_set_epoch') await loseAll();
      return fcall(...args);
    });
    await expect(t.reconciler.rebuild(t.signal)).rejects.toThrow(BrokerNotReadyError);
    spy.mockRestore();
    expect(await meta()).toEqual({});
  });

  test('is not taken for whole by the search for forgotten submissions', async () => {
    await factory.queued();
    await using t = await lead();
    await app.database.outbox.create({
      data: {
        id: (await factory.queued()).id,
        shardId: shard.id,
        minId: (await factory.queued()).id,
        maxId: (await factory.queued()).id,
      },
    });
    await loseAll();
    await expect(t.reconciler.runOnce(0, t.signal)).rejects.toThrow(BrokerNotReadyError);
    expect(await meta()).toEqual({});
  });

  test('is not filled by an older leader', async () => {
    await factory.queued();
    await loseAll();
    await using older = await beginTestTerm(app, shard);
    await older.reconciler.begin(older.signal);
    const stale = await meta();
    await using newer = await lead();
    expect(newer.isLost).toBe(true);
    const before = await dumpShard(shard);
    const hgetall = vi.spyOn(shard.lane.redis, 'hgetall').mockResolvedValueOnce(stale);
    await expect(older.reconciler.rebuild(older.signal)).rejects.toThrow(BrokerStaleError);
    hgetall.mockRestore();
    expect(await setEpoch(shard, { epoch: stale.epoch ?? '', state: 'ready', runId: stale.runId ?? '' })).toBe(false);
    expect(await dumpShard(shard)).toEqual(before);
  });
});

const placeOf = ({ ownerId, queue, type }: Task) => ({ ownerId, queue, type });
