import { describe, expect, test } from 'vitest';
import { eventsKey, leaderKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import type { TestProcess } from '../support/setup.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const CHANGES = 'subscription { taskChanges(after: "0") { cursor event { taskId seq status } } }';

/** Which of these managers leads the low lane: its lease names the process. */
const leaderOf = async ({ app }: System, managers: readonly TestProcess[]): Promise<TestProcess> => {
  const key = leaderKey(app.broker.low.shards[0]?.tag as string);
  const holder = await waitFor(() => app.broker.low.redis.get(key), { what: 'somebody leads' });
  return managers.find(({ pid }) => holder.includes(`-${pid}-`)) as TestProcess;
};

describe('the leading manager dies', () => {
  test('another takes over; no transition is lost, and subscribers see none twice', { timeout: 120_000 }, async () => {
    await using system = await startSystem();
    const managers = [await system.start('manager'), await system.start('manager')];
    await system.start('worker');
    const socket = system.socket();
    const seen: string[] = [];
    const changes = socket.iterate<{ taskChanges: { cursor: string; event: { taskId: string; seq: number } } }>({
      query: CHANGES,
    });
    const watching = (async () => {
      for await (const { data } of changes)
        if (data) seen.push(`${data.taskChanges.event.taskId} ${data.taskChanges.event.seq}`);
    })();
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
    await waitFor(() => seen.length >= submitted * 3, { what: 'all transitions are delivered' });
    expect(seen.length).toBe(submitted * 3);
    expect(new Set(seen).size).toBe(seen.length);
    await socket.dispose();
    await watching;
  });
});

describe('no manager is left', () => {
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
