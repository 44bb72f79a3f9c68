import { describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { completeMore, epochOf, keepSubmitting } from '../support/keep-submitting.ts';
import { loseEverything, type OwnRedis, serversOf, startOwnRedis } from '../support/own-redis.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

describe('Redis loses everything', () => {
  test('every task still ends, each recorded once, while 2,000 wait and run', { timeout: 120_000 }, async () => {
    await using redis = await startOwnRedis();
    await using system = await startSystem({ redis });
    await system.start('manager');
    await system.start('worker');
    await system.submit(1_000, 'sleep', { ms: 50 });
    await system.submit(900, 'echo', { n: 1 }, { queue: 'other' });
    await system.submit(50, 'echo', { n: 2 }, { runAt: new Date(Date.now() + 5_000).toISOString() });
    await system.submit(50, 'sleep', { ms: 10 }, { priority: 'HIGH' });
    await waitFor(async () => ((await system.countByStatus()).COMPLETED ?? 0) > 200, {
      what: 'it is in the middle',
      timeoutMs: 30_000,
    });
    await loseEverything(system.app.broker);
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 2_000 });
  });
});

describe('a shard is rebuilt while tasks are submitted without a pause', () => {
  const faults = [
    ['Redis loses everything', (system: System, _redis: OwnRedis) => loseEverything(system.app.broker)],
    ['Redis is killed and started again', (_system: System, redis: OwnRedis) => redis.kill().then(() => redis.start())],
  ] as const;
  test.each(faults)(
    '%s: every task ends, though forgotten ones are looked for every ten minutes',
    async (_name, fail) => {
      await using redis = await startOwnRedis();
      await using system = await startSystem({ redis, settings: { RECONCILE_INTERVAL_MS: '600000' } });
      await system.start('manager');
      await system.start('worker');
      const submitting = keepSubmitting(system);
      await completeMore(system, 200);
      for (let round = 0; round < 3; round++) {
        const epoch = await epochOf(system);
        await fail(system, redis);
        await waitFor(async () => (await epochOf(system)) >= epoch + 2, { what: 'the shard is rebuilt' });
        await completeMore(system, 200);
      }
      const accepted = await submitting.end();
      expect(await system.settle()).toEqual([]);
      expect(await system.countByStatus()).toEqual({ COMPLETED: accepted });
    },
    180_000,
  );
});

describe('Redis is down for ten seconds', () => {
  test('submissions are accepted meanwhile, and everything goes on by itself', { timeout: 150_000 }, async () => {
    await using redis = await startOwnRedis();
    await using system = await startSystem({ redis });
    await system.start('manager');
    await system.start('worker');
    await system.submit(300, 'sleep', { ms: 100 });
    await waitFor(async () => ((await system.countByStatus()).COMPLETED ?? 0) > 50, { what: 'it is in the middle' });
    await redis.kill();
    const downUntil = performance.now() + 10_000;
    let accepted = 300;
    while (performance.now() < downUntil) accepted += (await system.submit(10, 'echo', { whileDown: true })).length;
    expect(accepted).toBeGreaterThan(310);
    await redis.start();
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: accepted });
  });
});

// The limit is given to primaries while they run: a replica that takes over has none.
describe.skipIf(primariesFail())('Redis has no memory left', () => {
  test('submissions are accepted, nothing is lost, and all goes on when there is room', {
    timeout: 90_000,
  }, async () => {
    await using redis = await startOwnRedis();
    await using system = await startSystem({ redis });
    const manager = await system.start('manager');
    const worker = await system.start('worker');
    await system.submit(100, 'sleep', { ms: 2_000 });
    await waitFor(async () => (await system.countByStatus()).PROCESSING, { what: 'some run' });
    const servers = await serversOf(system.app.broker);
    for (const server of servers) await server.config('SET', 'maxmemory', '1');
    await system.submit(100, 'echo', { full: true });
    await system.api.waitForOutput(/could not enqueue; the reconciler will/);
    await worker.waitForOutput(/OOM command not allowed.*outcomes are kept until the shard takes them/);
    await manager.waitForOutput(/OOM command not allowed/);
    for (const server of servers) await server.config('SET', 'maxmemory', '0');
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 200 });
  });
});
