import { describe, expect, test } from 'vitest';
import { complete, promote, reap } from '../../src/broker/calls.ts';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import { META, setupShard, type TestShard } from '../support/shard-setup.ts';
import { dumpShard, event, headOf, inAbout } from '../support/shard-state.ts';

const dueAgo = (t: TestShard, id: string) => t.shard.lane.redis.zadd(`${t.shard.tag}:scheduled`, 'XX', 1, id);

describe('promoting', () => {
  test('queues what is due, and says when the next is', async () => {
    await using t = await setupShard();
    await t.add('a', { runAt: Date.now() + 60_000 });
    await t.add('b', { runAt: Date.now() + 60_000 });
    await dueAgo(t, 'a');

    const { promoted, nextMs } = await promote(t.shard, { limit: 10 });

    expect(promoted).toBe(1);
    expect(nextMs).toBeGreaterThan(50_000);
    expect(nextMs).toBeLessThanOrEqual(60_000);
    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'task:a': `${headOf()}\n{"n":1}`,
      'task:b': `${headOf()}\n{"n":1}`,
      'run:a': `2\t0\t\t\t${headOf()}`,
      'line:NORMAL|default|echo': ['a'],
      lines: ['NORMAL|default|echo'],
      'wake:default|echo': ['1'],
      'wake:*|echo': ['1'],
      scheduled: { b: inAbout(60_000) },
      timer: ['1'],
      counts: { 'default|QUEUED': '1', 'default|SCHEDULED': '1' },
      events: [[event('a', 2, 'QUEUED')]],
    });
  });

  test('does nothing where nothing is due or scheduled', async () => {
    await using t = await setupShard();
    expect(await promote(t.shard, { limit: 10 })).toEqual({ promoted: 0, nextMs: undefined });
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });

  test('queues a retry with its attempts and transitions counted on', async () => {
    await using t = await setupShard();
    await t.add('a', { runAt: Date.now() + 60_000 });
    await t.shard.lane.redis.set(`${t.shard.tag}:run:a`, `5\t2\t\t\t${headOf()}`);
    await dueAgo(t, 'a');
    await promote(t.shard, { limit: 10 });
    expect(await dumpShard(t.shard)).toMatchObject({
      'run:a': `6\t2\t\t\t${headOf()}`,
      events: [[event('a', 6, 'QUEUED', { attempt: 2 })]],
    });
    expect(await t.claim()).toMatchObject([{ attempt: 3, token: '7.7' }]);
  });

  test('takes as many as allowed, earliest first, in one entry, and comes back at once for the rest', async () => {
    await using t = await setupShard();
    for (let i = 0; i < 5; i++) {
      await t.add(`t${i}`, { runAt: Date.now() + 60_000 });
      await t.shard.lane.redis.zadd(`${t.shard.tag}:scheduled`, 'XX', 5 - i, `t${i}`);
    }
    expect(await promote(t.shard, { limit: 3 })).toEqual({ promoted: 3, nextMs: 0 });
    expect(await dumpShard(t.shard)).toMatchObject({
      events: [[{ taskId: 't4' }, { taskId: 't3' }, { taskId: 't2' }]],
      scheduled: { t0: 5, t1: 4 },
    });
    expect(await promote(t.shard, { limit: 3 })).toEqual({ promoted: 2, nextMs: undefined });
  });

  test('wakes workers of lines that are not empty, whose token was lost', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.shard.lane.redis.del(`${t.shard.tag}:wake:default|echo`, `${t.shard.tag}:wake:*|echo`);
    await promote(t.shard, { limit: 10 });
    await promote(t.shard, { limit: 10 });
    expect(await dumpShard(t.shard)).toMatchObject({ 'wake:default|echo': ['1'], 'wake:*|echo': ['1'] });
  });

  test('drops what is scheduled but gone', async () => {
    await using t = await setupShard();
    await t.shard.lane.redis.zadd(`${t.shard.tag}:scheduled`, 1, 'ghost');
    expect(await promote(t.shard, { limit: 10 })).toEqual({ promoted: 0, nextMs: undefined });
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });
});

describe('reaping', () => {
  const expired = async (head: Parameters<TestShard['add']>[1] = {}) => {
    const t = await setupShard();
    await t.add('a', head);
    await t.claim({ worker: 'dead' });
    await t.clearEvents();
    await t.expire('a');
    return t;
  };

  test('queues a task again, at the front, while attempts are left', async () => {
    await using t = await expired();
    await t.add('b');
    expect(await reap(t.shard, { limit: 10 })).toBe(1);
    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'task:a': `${headOf()}\n{"n":1}`,
      'task:b': `${headOf()}\n{"n":1}`,
      'run:a': `3\t1\t\t\t${headOf()}`,
      'line:NORMAL|default|echo': ['b', 'a'],
      lines: ['NORMAL|default|echo'],
      'wake:default|echo': ['1'],
      'wake:*|echo': ['1'],
      counts: { 'default|QUEUED': '2' },
      events: [[event('a', 3, 'QUEUED', { attempt: 1, workerId: 'dead', data: '{"reason":"LEASE_EXPIRED"}' })]],
    });
    expect(await t.claim({ limit: 1 })).toMatchObject([{ id: 'a', attempt: 2 }]);
  });

  test('ends a task that has killed its last worker', async () => {
    await using t = await expired({ maxAttempts: 1 });
    await t.shard.lane.redis.del(`${t.shard.tag}:wake:*|echo`);
    expect(await reap(t.shard, { limit: 10 })).toBe(1);
    const data = '{"message":"The worker stopped without a word, and no attempts are left.","code":"LEASE_EXPIRED"}';
    const events = [[event('a', 3, 'FAILED', { attempt: 1, workerId: 'dead', data })]];
    expect(await dumpShard(t.shard)).toEqual({ meta: META, events });
  });

  test('shuts out the worker that had it', async () => {
    await using t = await expired();
    await reap(t.shard, { limit: 10 });
    const before = await dumpShard(t.shard);
    expect(await complete(t.shard, { worker: 'dead' }, [{ id: 'a', token: '7.2', result: '1' }])).toEqual(['a']);
    expect(await dumpShard(t.shard)).toEqual(before);
  });

  test('leaves valid leases alone, and is harmless when repeated', async () => {
    await using t = await expired();
    await t.add('b');
    await t.claim({ limit: 1 });
    expect(await reap(t.shard, { limit: 10 })).toBe(1);
    const before = await dumpShard(t.shard);
    expect(await reap(t.shard, { limit: 10 })).toBe(0);
    expect(await dumpShard(t.shard)).toEqual(before);
    expect(before).toMatchObject({ leases: { b: inAbout(30_000) } });
  });

  test('takes as many as allowed, in one entry', async () => {
    await using t = await setupShard();
    const ids = Array.from({ length: 7 }, (_, i) => `t${i}`);
    for (const id of ids) await t.add(id);
    await t.claim();
    await t.clearEvents();
    await t.expire(...ids);
    expect(await reap(t.shard, { limit: 4 })).toBe(4);
    expect(await reap(t.shard, { limit: 4 })).toBe(3);
    expect(await dumpShard(t.shard)).toMatchObject({ events: [{ length: 4 }, { length: 3 }] });
  });

  test('drops a lease whose task is gone', async () => {
    await using t = await setupShard();
    await t.shard.lane.redis.zadd(`${t.shard.tag}:leases`, 1, 'ghost');
    expect(await reap(t.shard, { limit: 10 })).toBe(0);
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });
});

test('promoting and reaping do nothing in a shard that lost its data', async () => {
  await using t = await setupShard();
  for (const id of ['a', 'b']) await t.add(id, id === 'b' ? { runAt: Date.now() + 60_000 } : {});
  await t.claim();
  await t.expire('a');
  await dueAgo(t, 'b');
  await t.loseData();
  const before = await dumpShard(t.shard);
  await expect(promote(t.shard, { limit: 10 })).rejects.toThrow(BrokerNotReadyError);
  await expect(reap(t.shard, { limit: 10 })).rejects.toThrow(BrokerNotReadyError);
  expect(await dumpShard(t.shard)).toEqual(before);
});
