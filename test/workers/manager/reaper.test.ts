import { describe, expect, test } from 'vitest';
import { reapExpired, runReaper } from '../../../workers/manager/reaper.ts';
import { setupShard } from '../../support/shard-setup.ts';
import { dumpShard } from '../../support/shard-state.ts';
import { waitFor } from '../../support/wait-for.ts';

describe('the reaper', () => {
  test('takes back all expired attempts, however many', async () => {
    await using own = await setupShard();
    const ids = Array.from({ length: 1_100 }, (_, i) => `t${i}`);
    for (const id of ids) await own.add(id);
    await own.claim({ limit: 2_000 });
    await own.expire(...ids);
    expect(await reapExpired(own.shard)).toBe(1_100);
    expect(await reapExpired(own.shard)).toBe(0);
    expect(await dumpShard(own.shard)).toMatchObject({ counts: { 'default|QUEUED': '1100' } });
  });

  test('looks again and again until it is told to stop', async () => {
    await using own = await setupShard();
    const end = new AbortController();
    const running = runReaper(own.shard, 10, end.signal);
    for (const [i, id] of ['a', 'b'].entries()) {
      await own.add(id);
      const claims = await own.claim();
      await own.expire(...claims.map((each) => each.id));
      await waitFor(
        async () => (await own.shard.lane.redis.llen(`${own.shard.tag}:line:NORMAL|default|echo`)) === i + 1,
      );
    }
    end.abort();
    await running;
    await expect(runReaper(own.shard, 3_600_000, end.signal)).resolves.toBeUndefined();
  });
});
