import { describe, expect, test } from 'vitest';
import { cancel, claim, purge, reap } from '../../src/broker/calls.ts';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import { setupShard, type TestShard } from '../support/shard-setup.ts';
import { dumpShard, event } from '../support/shard-state.ts';

const REASON = '{"reason":"PURGED"}';
const LINE = 'NORMAL|default|echo';
const SOON = Date.now() + 60_000;

const purgeLine = (t: TestShard, limit: number, more: Partial<Parameters<typeof purge>[1]> = {}) =>
  purge(t.shard, {
    operation: 'op',
    before: 'm',
    reason: REASON,
    limit,
    queue: 'default',
    line: LINE,
    cursor: '',
    ...more,
  });
const purgeScheduled = async (t: TestShard, limit: number): Promise<void> => {
  let cursor = '0';
  do ({ cursor } = await purgeLine(t, limit, { line: '', cursor }));
  while (cursor !== '0');
};
const countOf = (t: TestShard) => t.shard.lane.redis.hget(`${t.shard.tag}:purges`, 'op');

describe('purging a line', () => {
  test('ends the oldest of its tasks, and counts them', async () => {
    await using t = await setupShard();
    for (const id of ['a', 'b', 'c']) await t.add(id);
    expect(await purgeLine(t, 2)).toEqual({ looked: 2, cursor: '' });
    const after = await dumpShard(t.shard);
    expect(after[`line:${LINE}`]).toEqual(['c']);
    expect(after).toMatchObject({ purges: { op: '2' }, counts: { 'default|QUEUED': '1' } });
    const [events] = after.events as [unknown[]];
    expect(events).toEqual(['a', 'b'].map((id) => event(id, 2, 'CANCELLED', { data: REASON })));
    expect(after['task:a']).toBeUndefined();
    expect(await purgeLine(t, 2)).toEqual({ looked: 1, cursor: '' });
    expect(await countOf(t)).toBe('3');
  });

  test('leaves nothing of an emptied line', async () => {
    await using t = await setupShard();
    await t.add('a');
    await purgeLine(t, 10);
    const keys = Object.keys(await dumpShard(t.shard)).filter((key) => !key.startsWith('wake:'));
    expect(keys).toEqual(['events', 'meta', 'purges']);
    expect(await purgeLine(t, 10)).toEqual({ looked: 0, cursor: '' });
  });

  test('keeps later tasks in their order, and finds earlier ones behind them', async () => {
    await using t = await setupShard();
    for (const id of ['x', 'a', 'y', 'b', 'z']) await t.add(id);
    for (let left = 5; left > 0; ) left -= (await purgeLine(t, Math.min(left, 2))).looked;
    expect(await countOf(t)).toBe('2');
    expect((await t.claim()).map(({ id }) => id)).toEqual(['x', 'y', 'z']);
  });

  test('drops the places of tasks that were cancelled before, and does not count them', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.add('b');
    await cancel(t.shard, { deadlineMs: 1_000 }, [{ id: 'a', reason: REASON }]);
    await purgeLine(t, 10);
    expect(await countOf(t)).toBe('1');
    expect(await t.shard.lane.redis.exists(`${t.shard.tag}:stale`, `${t.shard.tag}:line:${LINE}`)).toBe(0);
  });

  test('lets running tasks and other lines be', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.claim();
    await t.add('b', { queue: 'other' });
    await t.add('c');
    await purgeLine(t, 10);
    expect(await countOf(t)).toBe('1');
    const left = await claim(t.shard, { worker: 'w1', limit: 9, leaseMs: 1, lowFirst: 0, queues: '*', types: 'echo' });
    expect(left.map(({ id }) => id)).toEqual(['b']);
  });

  test('ends a task that was tried before with the seq and attempt that it has', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.claim();
    await t.expire('a');
    await reap(t.shard, { limit: 10 });
    await t.clearEvents();
    await purgeLine(t, 10);
    expect((await dumpShard(t.shard)).events).toEqual([[event('a', 4, 'CANCELLED', { attempt: 1, data: REASON })]]);
  });
});

describe('purging what is not due yet', () => {
  test('ends the tasks of the queue, and no later ones', async () => {
    await using t = await setupShard();
    for (let i = 0; i < 300; i++) await t.add(`a${i}`, { runAt: SOON + i, payload: '"a\\nb"' });
    await t.add('b', { runAt: SOON, queue: 'other' });
    await t.add('z', { runAt: SOON });
    await purgeScheduled(t, 10);
    expect(await countOf(t)).toBe('300');
    const after = await dumpShard(t.shard);
    expect(Object.keys(after.scheduled ?? {}).sort()).toEqual(['b', 'z']);
    expect(after.counts).toEqual({ 'default|SCHEDULED': '1', 'other|SCHEDULED': '1' });
  });
});

test('a shard that lost its data says so', async () => {
  await using t = await setupShard();
  await t.loseData();
  await expect(purgeLine(t, 1)).rejects.toThrow(BrokerNotReadyError);
});
