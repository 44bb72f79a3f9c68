import { Gauge } from 'prom-client';
import type { Registry } from './registry.ts';

/** What a pool of PostgreSQL connections says of itself, as `pg.Pool` does. */
export interface PoolFigures {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  readonly options: { readonly max?: number | undefined };
}

/** Shows how the pools of this process are used, as one. */
export const showPools = (registry: Registry, pools: Iterable<PoolFigures>): void => {
  const registers = [registry];
  const different = [...new Set(pools)];
  const sum = (figure: (pool: PoolFigures) => number): number =>
    different.reduce((total, pool) => total + figure(pool), 0);
  new Gauge({
    name: 'taskflow_database_pool_connections',
    help: 'Open connections to PostgreSQL, by what they do: "used" or "idle".',
    labelNames: ['state'],
    registers,
    collect() {
      this.set(
        { state: 'used' },
        sum(({ totalCount, idleCount }) => totalCount - idleCount),
      );
      this.set(
        { state: 'idle' },
        sum(({ idleCount }) => idleCount),
      );
    },
  });
  new Gauge({
    name: 'taskflow_database_pool_waiting',
    help: 'Statements that wait for a free connection.',
    registers,
    collect() {
      this.set(sum(({ waitingCount }) => waitingCount));
    },
  });
  new Gauge({
    name: 'taskflow_database_pool_max_connections',
    help: 'The most that may be open (DATABASE_POOL_SIZE).',
    registers,
  }).set(sum(({ options }) => options.max ?? 0));
};

/** A lane's connections, as ioredis has them: one, or in a cluster one a shard. */
interface LaneConnections {
  readonly name: string;
  readonly connections: readonly { readonly status: string }[];
}

/** Shows whether this process is connected to Redis. */
export const showLanes = (registry: Registry, lanes: readonly LaneConnections[]): void => {
  new Gauge({
    name: 'taskflow_redis_connected',
    help: '1 while this process is connected to the Redis of the lane, in a cluster for each of its shards, else 0.',
    labelNames: ['lane'],
    registers: [registry],
    collect() {
      for (const { name, connections } of lanes) {
        this.set({ lane: name }, connections.every(({ status }) => status === 'ready') ? 1 : 0);
      }
    },
  });
};
