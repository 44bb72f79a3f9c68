import { describe, expect, test } from 'vitest';
import { claim, pause, promote } from '../../src/broker/calls.ts';
import { wakeKey } from '../../src/broker/keys.ts';
import { setupShard, type TestShard } from '../support/shard-setup.ts';

const claimAll = async (t: TestShard): Promise<string[]> => {
  const claims = await claim(t.shard, {
    worker: 'w1',
    limit: 10,
    leaseMs: 30_000,
    lowFirst: 0,
    queues: '*',
    types: 'echo',
  });
  return claims.map(({ id }) => id);
};
const setPaused = (t: TestShard, queue: string, isPaused: boolean) =>
  pause(t.shard, {}, [{ queue, paused: isPaused ? 1 : 0 }]);
const tokens = (t: TestShard, queue: string): Promise<number> =>
  t.shard.lane.redis.llen(wakeKey(t.shard.tag, queue, 'echo'));

describe('a paused queue', () => {
  test('gives nothing, keeps what waits, and takes what comes', async () => {
    await using t = await setupShard();
    await t.add('a', { queue: 'held' });
    await t.add('b', { queue: 'open' });
    await setPaused(t, 'held', true);
    await t.add('c', { queue: 'held' });
    expect(await claimAll(t)).toEqual(['b']);
    await setPaused(t, 'held', false);
    expect(await claimAll(t)).toEqual(['a', 'c']);
  });

  test('wakes nobody: not for what comes, nor for what waits', async () => {
    await using t = await setupShard();
    await setPaused(t, 'held', true);
    await t.add('a', { queue: 'held' });
    await promote(t.shard, { limit: 10 });
    expect(await claimAll(t)).toEqual([]);
    expect(await tokens(t, 'held')).toBe(0);
    expect(await tokens(t, '*')).toBe(0);
  });

  test('wakes its workers at once when it is resumed', async () => {
    await using t = await setupShard();
    await setPaused(t, 'held', true);
    await t.add('a', { queue: 'held' });
    await setPaused(t, 'held', false);
    expect(await tokens(t, 'held')).toBe(1);
    expect(await tokens(t, '*')).toBe(1);
  });
});
