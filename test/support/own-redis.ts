import type { Redis } from 'ioredis';
import { inject } from 'vitest';
import type { Broker } from '../../src/broker/lanes.ts';
import { readRunId } from '../../src/broker/run-id.ts';
import { type Failovers, keepFailingOver, primariesFail, ridingOut } from './failovers.ts';
import { type PrivateServer, startPrivateRedis } from './private-servers.ts';
import { startRedisCluster } from './redis-cluster.ts';

/** A Redis of one test, to be killed and started again as a whole: one server, or all of a cluster's, as the run wants it. */
export interface OwnRedis extends AsyncDisposable {
  /** What the processes must know of it. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends it without warning, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again with the same data. */
  start(): Promise<void>;
}

/** @param settings more settings of all its servers, as in redis.conf */
export const startOwnRedis = async (settings: Record<string, string> = {}): Promise<OwnRedis> => {
  const isCluster = inject('redisTopology') === 'cluster';
  const cluster = isCluster ? await startRedisCluster({ settings }) : undefined;
  const failOver = (): Failovers | undefined => (cluster && primariesFail() ? keepFailingOver(cluster) : undefined);
  let failovers = failOver();
  const servers: readonly PrivateServer[] = cluster?.nodes ?? [await startPrivateRedis(settings)];
  return {
    env: cluster ? clusterEnv(cluster.url) : serverEnv(servers[0]?.port as number),
    kill: async () => {
      await failovers?.end();
      await Promise.all(servers.map((server) => server.kill()));
    },
    start: async () => {
      await Promise.all(servers.map((server) => server.start()));
      failovers = failOver();
    },
    [Symbol.asyncDispose]: async () => {
      await failovers?.end();
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
};

/** Settings of Redis by their names without prefix and lane, as "HOST", for both lanes. */
export const ofBothLanes = (settings: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    ['HIGH', 'LOW'].flatMap((lane) =>
      Object.entries(settings).map(([name, value]) => [`REDIS_${name}_${lane}`, value]),
    ),
  );

/** Both lanes on one server of this machine. */
export const serverEnv = (port: number): Record<string, string> =>
  ofBothLanes({ HOST: '127.0.0.1', PORT: String(port) });

/** Both lanes in one cluster, with shards enough to lie on several of its nodes. */
export const clusterEnv = (url: string): Record<string, string> => ({
  ...ofBothLanes({ URL: url }),
  SHARDS_PER_LANE: '2',
});

/** A connection to each server that has shards. */
export const serversOf = async ({ shards }: Broker): Promise<Redis[]> => {
  const servers = new Map<string, Redis>();
  for (const { redis } of shards) servers.set(await ridingOut(() => readRunId(redis)), redis);
  return [...servers.values()];
};

/** Empties all servers that have shards. With `functions`, the library is gone, too, as from new servers. */
export const loseEverything = async (broker: Broker, more: { functions?: boolean } = {}): Promise<void> => {
  for (const redis of await serversOf(broker)) {
    await ridingOut<unknown>(() =>
      more.functions ? redis.multi().flushall().function('FLUSH').exec() : redis.flushall(),
    );
  }
};
