import { describe, expect, test } from 'vitest';
import { eventsKey, leaderKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { primariesFail } from '../support/failovers.ts';
import type { TestProcess } from '../support/setup.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';
import { watchChanges } from '../support/watched-changes.ts';

/** Which of these managers leads the low lane: its lease names the process. One that was just killed holds it for a while yet. */
const leaderOf = ({ app }: System, managers: readonly TestProcess[]): Promise<TestProcess> => {
  const key = leaderKey(app.broker.low.shards[0]?.tag as string);
  const find = async (): Promise<TestProcess | undefined> => {
    const holder = await app.broker.low.redis.get(key);
    return managers.find(({ pid }) => holder?.includes(`-${pid}-`));
  };
  return waitFor(find, { what: 'one of the managers leads' });
};

describe('the leading manager dies', () => {
  test('another takes over; no transition is lost, and subscribers see none twice', { timeout: 120_000 }, async () => {
    await using system = await startSystem();
    const managers = [await system.start('manager'), await system.start('manager')];
    await system.start('worker');
    await using watched = watchChanges(system);
    let submitted = 0;
    for (let round = 0; round < 3; round++) {
      const leader = await leaderOf(system, managers);
      await system.submit(400, 'sleep', { ms: 20 });
      submitted += 400;
      await waitFor(async () => ((await system.countByStatus()).COMPLETED ?? 0) > submitted - 300, {
        what: 'it is in the middle',
        timeoutMs: 30_000,
      });
      await leader.kill('SIGKILL');
      managers.splice(managers.indexOf(leader), 1, await system.start('manager'));
      expect(await system.settle()).toEqual([]);
    }
    const transitions = await system.app.database.taskEvent.count();
    // Whoever runs while a primary fails is put back and runs again, which are further ones.
    if (!primariesFail()) expect(transitions).toBe(submitted * 3);
    await waitFor(() => watched.seen().length >= transitions, { what: 'all transitions are delivered' });
    expect(watched.seen().length).toBe(transitions);
    expect(new Set(watched.seen()).size).toBe(transitions);
    await watched.end();
  });
});

// Without a manager nobody rebuilds a shard in a replica that took over.
describe.skipIf(primariesFail())('no manager is left', () => {
  test('tasks are accepted and run, and the next one records it', { timeout: 60_000 }, async () => {
    await using system = await startSystem();
    const manager = await system.start('manager');
    await system.start('worker');
    await system.submit(1, 'echo', { n: 0 });
    expect(await system.settle()).toEqual([]);
    await manager.kill('SIGKILL');
    await system.submit(20, 'echo', { n: 1 });
    const [shard] = system.app.broker.low.shards as [Shard];
    const { redis } = shard.lane;
    const haveRun = async (): Promise<boolean> =>
      (await redis.xlen(eventsKey(shard.tag))) > 0 && (await redis.keys(`${shard.tag}:task:*`)).length === 0;
    await waitFor(haveRun, { what: 'what ran waits to be recorded' });
    expect(await system.countByStatus()).toEqual({ COMPLETED: 1, QUEUED: 20 });
    await system.start('manager');
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 21 });
  });
});
