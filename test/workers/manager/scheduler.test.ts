import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { decodeEntry } from '../../../src/broker/event-stream.ts';
import { eventsKey } from '../../../src/broker/keys.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { runScheduler } from '../../../workers/manager/scheduler.ts';
import { setupShard, type TestShard } from '../../support/shard-setup.ts';
import { dumpShard } from '../../support/shard-state.ts';
import { waitFor } from '../../support/wait-for.ts';

let t: TestShard;
let shard: Shard;

beforeAll(async () => {
  t = await setupShard();
  shard = t.shard;
});
afterAll(() => t[Symbol.asyncDispose]());

/** When this task was queued, by Redis's clock. */
const queuedAt = (taskId: string): Promise<number> =>
  waitFor(async () => {
    const entries = await shard.lane.redis.xrange(eventsKey(shard.tag), '-', '+');
    const transitions = entries.flatMap(([id, fields]) => decodeEntry(id, fields).transitions);
    return transitions.find((each) => each.taskId === taskId && each.status === 'QUEUED')?.atMs;
  });

describe('the scheduler', () => {
  test('queues tasks when they are due, is woken by one that is due earlier, and stops when told', async () => {
    const sleeper = shard.lane.connect();
    const blpop = vi.spyOn(sleeper, 'blpop');
    const end = new AbortController();
    const running = runScheduler(shard, sleeper, end.signal);
    await waitFor(() => blpop.mock.calls.length > 0);

    const due = Date.now() + 200;
    await t.add('later', { runAt: due + 3_600_000 });
    await t.add('soon', { runAt: due });

    const lateness = (await queuedAt('soon')) - due;
    expect(lateness).toBeGreaterThanOrEqual(0);
    expect(lateness).toBeLessThan(1_000);
    const woken = await Promise.all(blpop.mock.results.slice(0, -1).map(({ value }) => value));
    expect(woken.some((token) => token !== null)).toBe(true);
    expect(await dumpShard(shard)).toMatchObject({ scheduled: { later: due + 3_600_000 } });

    end.abort();
    sleeper.disconnect();
    await running.catch(() => undefined);
  });

  test('queues more than it takes in one call without sleeping', async () => {
    const past = Date.now() - 1_000;
    for (let i = 0; i < 1_200; i++) await t.add(`t${i}`, { runAt: past, queue: 'many' });
    const sleeper = shard.lane.connect();
    const blpop = vi.spyOn(sleeper, 'blpop');
    const end = new AbortController();
    const running = runScheduler(shard, sleeper, end.signal);
    await waitFor(() => blpop.mock.calls.length > 0);
    expect(await shard.lane.redis.hget(`${shard.tag}:counts`, 'many|QUEUED')).toBe('1200');
    end.abort();
    sleeper.disconnect();
    await running.catch(() => undefined);
  });

  test('fails when the shard lost its data', async () => {
    await using lost = await setupShard();
    await lost.loseData();
    const sleeper = lost.shard.lane.connect();
    await expect(runScheduler(lost.shard, sleeper, new AbortController().signal)).rejects.toThrow('NOTREADY');
    sleeper.disconnect();
  });
});
