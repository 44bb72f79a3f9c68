import { describe, expect, test } from 'vitest';
import { completeMore, epochOf, keepSubmitting } from '../support/keep-submitting.ts';
import { clusterEnv } from '../support/own-redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startSentinelRedis } from '../support/redis-sentinel.ts';
import { type PrivateServer, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';
import { watchChanges } from '../support/watched-changes.ts';

/** A Redis with replicas. */
interface Replicated extends AsyncDisposable {
  env: Readonly<Record<string, string>>;
  /** The servers that have the low lane's first shard. */
  nodes(system: System): Promise<[primary: PrivateServer, replica: PrivateServer]>;
  /** Waits until every primary has a replica that has all it has. */
  healthy(): Promise<void>;
}

const startCluster = async (): Promise<Replicated> => {
  const cluster = await startRedisCluster();
  return {
    env: clusterEnv(cluster.url),
    nodes: ({ app }) => cluster.nodesOf(app.broker.low.shards[0]?.tag as string),
    healthy: () => cluster.healthy(),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
};

/** How a primary fails, and is put right again once its replica has taken over. */
interface Failure {
  fail(system: System, primary: PrivateServer, replica: PrivateServer): Promise<unknown>;
  heal(primary: PrivateServer): Promise<void>;
}

const FAILURES: [string, Failure][] = [
  [
    'is killed while its replica lags',
    {
      fail: async (system, primary, replica) => {
        replica.pause();
        await completeMore(system, 200);
        await primary.kill();
        replica.resume();
      },
      heal: (primary) => primary.start(),
    },
  ],
  [
    'freezes, and wakes up when another has taken over',
    { fail: async (_system, primary) => primary.pause(), heal: async (primary) => primary.resume() },
  ],
];

describe.each<[string, () => Promise<Replicated>]>([
  ['Sentinels', () => startSentinelRedis()],
  ['a cluster', startCluster],
])('under load, the primary of %s', (_name, start) => {
  test.each(FAILURES)(
    '%s: no task is lost, none ends twice, and subscribers see all',
    {
      timeout: 150_000,
    },
    async (_what, { fail, heal }) => {
      await using redis = await start();
      await using system = await startSystem({ redis });
      for (const name of ['manager', 'manager', 'worker', 'worker'] as const) await system.start(name);
      await using watched = watchChanges(system);
      const load = keepSubmitting(system);
      await completeMore(system, 200);
      const [epoch, [primary, replica]] = [await epochOf(system), await redis.nodes(system)];
      await fail(system, primary, replica);
      const before = load.accepted();
      await waitFor(async () => (await epochOf(system)) >= epoch + 2 && load.accepted() > before + 100, {
        what: 'the shard is rebuilt in the replica, while submissions are accepted',
        timeoutMs: 40_000,
      });
      expect((await redis.nodes(system))[0]).toBe(replica);
      await heal(primary);
      await redis.healthy();
      const accepted = await load.end();
      expect(await system.settle()).toEqual([]);
      expect(await system.countByStatus()).toEqual({ COMPLETED: accepted });
      const events = await system.app.database.taskEvent.count();
      await waitFor(() => watched.seen().length >= events, { what: 'all transitions are delivered' });
      expect(watched.seen()).toHaveLength(events);
      expect(new Set(watched.seen()).size).toBe(events);
      await watched.end();
    },
  );
});

test('under load, a slot moves to another primary: no task is lost, and none ends twice', {
  timeout: 90_000,
}, async () => {
  await using cluster = await startRedisCluster();
  await using system = await startSystem({ redis: { env: clusterEnv(cluster.url) } });
  for (const name of ['manager', 'worker'] as const) await system.start(name);
  const load = keepSubmitting(system);
  await completeMore(system, 200);
  const tag = system.app.broker.low.shards[0]?.tag as string;
  const [epoch, [before]] = [await epochOf(system), await cluster.nodesOf(tag)];
  await cluster.moveSlotOf(tag);
  await waitFor(async () => (await epochOf(system)) >= epoch + 2, { what: 'the shard is rebuilt', timeoutMs: 30_000 });
  expect((await cluster.nodesOf(tag))[0]).not.toBe(before);
  await completeMore(system, 100);
  const accepted = await load.end();
  expect(await system.settle()).toEqual([]);
  expect(await system.countByStatus()).toEqual({ COMPLETED: accepted });
});
