import { describe, expect, test } from 'vitest';
import { inspect } from '../../src/broker/calls.ts';
import { setupShard } from '../support/shard-setup.ts';
import { dumpShard } from '../support/shard-state.ts';

describe('inspecting a shard', () => {
  test('that is empty finds nothing', async () => {
    await using t = await setupShard();
    expect(await inspect(t.shard, { maxLines: 10 })).toEqual({ entries: 0, lagMs: 0, counts: [], lines: [] });
  });

  test('counts tasks and entries, names who is next in each line, and changes nothing', async () => {
    await using t = await setupShard();
    for (const id of ['a', 'b', 'c', 'd']) await t.add(id);
    await t.add('m', { queue: 'mail', priority: 'LOW' });
    await t.claim({ limit: 1, queues: 'default' });
    const before = await dumpShard(t.shard);
    const { entries, lagMs, counts, lines } = await inspect(t.shard, { maxLines: 10 });
    expect(await dumpShard(t.shard)).toEqual(before);
    expect(entries).toBe(1);
    expect(lagMs).toBeGreaterThanOrEqual(0);
    expect(lagMs).toBeLessThan(20_000);
    expect(Object.fromEntries(counts)).toEqual({ 'default|QUEUED': 3, 'default|PROCESSING': 1, 'mail|QUEUED': 1 });
    expect(lines.toSorted((x, y) => (x.queue < y.queue ? -1 : 1))).toEqual([
      { queue: 'default', ids: ['d', 'c', 'b'] },
      { queue: 'mail', ids: ['m'] },
    ]);
  });

  test('says how old the oldest entry is that is not recorded', async () => {
    await using t = await setupShard();
    await t.shard.lane.redis.xadd(`${t.shard.tag}:events`, `${Date.now() - 60_000}-0`, 'at', '1', 'e', '');
    const { lagMs } = await inspect(t.shard, { maxLines: 10 });
    expect(lagMs).toBeGreaterThanOrEqual(59_000);
    expect(lagMs).toBeLessThan(90_000);
  });

  test('looks at no more lines than it may', async () => {
    await using t = await setupShard();
    for (const queue of ['a', 'b', 'c']) await t.add(queue, { queue });
    expect((await inspect(t.shard, { maxLines: 2 })).lines).toHaveLength(2);
  });
});
