import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Redis, type RedisOptions } from 'ioredis';
import type { Address, RedisServer, RedisTls } from '../redis-settings.ts';
import { shardTag } from './keys.ts';
import { PrimaryFinder } from './primary-finder.ts';
import { connectionBy, straightTo } from './redis-connector.ts';

export type LaneName = 'high' | 'low';

/** One partition of a lane: the unit of leadership, of recording and of recovery. */
export interface Shard {
  /** "high:0": its row in the table `shards`. */
  readonly id: string;
  /** The hash tag with which all its keys begin. */
  readonly tag: string;
  readonly lane: Lane;
  /** For short commands, to the server that has its keys. All shards of a lane share one, but in a cluster each has its own. */
  readonly redis: Redis;
  /** A further connection there, for one reader that blocks in it. It reconnects for ever. The caller closes it. */
  connect(): Redis;
}

/** One Redis with the connections of this process to it. */
export interface Lane {
  readonly name: LaneName;
  /**
   * For short commands. They fail at once while Redis is away: callers decide whether to wait. In a cluster it is the one
   * of the first shard: what belongs to no shard is kept beside that.
   */
  readonly redis: Redis;
  readonly shards: readonly Shard[];
  /** Those of all shards for short commands, each once. */
  readonly connections: readonly Redis[];
  /** A further connection, for one subscriber. It reconnects for ever. The caller closes it. */
  connect(): Redis;
  /** Closes its connections for short commands. */
  close(): void;
}

export interface BrokerOptions {
  high: RedisServer;
  low: RedisServer;
  /** Before every key: several TaskFlows can share a Redis. */
  prefix: string;
  shardsPerLane: number;
  /** How long a short command may take, in ms. */
  commandTimeoutMs: number;
}

/** Reconnects after 50 ms, 100 ms, … at most 1 s apart: a Redis that is back is noticed within a second. */
const retryStrategy = (times: number): number => Math.min(50 * 2 ** Math.min(times - 1, 5), 1_000);

type Open = (more: RedisOptions) => Redis;

const openLane = (name: LaneName, options: BrokerOptions, onError: (error: Error) => void): Lane => {
  const server = options[name];
  const tags = Array.from({ length: options.shardsPerLane }, (_, index) => shardTag(options.prefix, name, index));
  const { routeTo, close } = openRoutes(server, tags, options.commandTimeoutMs);
  const login: RedisOptions = {
    ...(server.username !== undefined && { username: server.username }),
    ...(server.password !== undefined && { password: server.password }),
  };
  const openTo =
    (tag: string): Open =>
    (more) =>
      new Redis({ ...routeTo(tag), ...login, retryStrategy, ...more }).on('error', onError);
  const short: RedisOptions = {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: options.commandTimeoutMs,
  };
  const open = openTo(tags[0] as string);
  const lane = {
    name,
    redis: open(short),
    shards: [] as Shard[],
    get connections() {
      return [...new Set(lane.shards.map(({ redis }) => redis))];
    },
    connect: () => open({ maxRetriesPerRequest: null }),
    close: () => {
      close();
      for (const redis of lane.connections) redis.disconnect();
    },
  };
  for (const [index, tag] of tags.entries()) {
    const isOwn = server.kind === 'cluster' && index > 0;
    const openShard = isOwn ? openTo(tag) : open;
    lane.shards.push({
      id: `${name}:${index}`,
      tag,
      lane,
      redis: isOwn ? openShard(short) : lane.redis,
      connect: () => openShard({ maxRetriesPerRequest: null }),
    });
  }
  return lane;
};

/** How connections find the server that has the keys of a shard. */
const openRoutes = (
  server: RedisServer,
  tags: readonly string[],
  timeoutMs: number,
): { routeTo: (tag: string) => RedisOptions; close: () => void } => {
  const tls = server.tls && readTlsFiles(server.tls);
  if (server.kind === undefined || server.kind === 'server') {
    const address = server.addresses[0] as Address;
    return { routeTo: () => (tls ? connectionBy(straightTo(address), tls) : address), close: () => {} };
  }
  const finder = new PrimaryFinder({ server, tags, tls, timeoutMs });
  return { routeTo: (tag) => connectionBy(finder.routeTo(tag), tls), close: () => finder.close() };
};

const readTlsFiles = ({ caFile, certFile, keyFile }: RedisTls): ConnectionOptions => ({
  ...(caFile !== undefined && { ca: readFileSync(caFile) }),
  ...(certFile !== undefined && { cert: readFileSync(certFile) }),
  ...(keyFile !== undefined && { key: readFileSync(keyFile) }),
});

/** The two lanes. Opens connections at once, and returns without waiting for them: Redis may come up later. */
export class Broker {
  readonly prefix: string;
  readonly high: Lane;
  readonly low: Lane;

  /** @param onError told of connection errors, over and over while Redis is away */
  constructor(options: BrokerOptions, onError: (error: Error) => void) {
    this.prefix = options.prefix;
    this.high = openLane('high', options, onError);
    this.low = openLane('low', options, onError);
  }

  get lanes(): readonly [Lane, Lane] {
    return [this.high, this.low];
  }

  get shards(): readonly Shard[] {
    return [...this.high.shards, ...this.low.shards];
  }

  /** HIGH goes to the high lane, the others to the low one. */
  laneFor(priority: 'HIGH' | 'NORMAL' | 'LOW'): Lane {
    return priority === 'HIGH' ? this.high : this.low;
  }

  /** A task's shard follows from its priority and the last 32 bits of its id, which are random in a UUIDv7. */
  shardFor(priority: 'HIGH' | 'NORMAL' | 'LOW', taskId: string): Shard {
    const { shards } = this.laneFor(priority);
    const shard = shards.length === 1 ? shards[0] : shards[Number.parseInt(taskId.slice(-8), 16) % shards.length];
    if (!shard) throw new Error(`no shard for task ${taskId}`);
    return shard;
  }

  /** Waits until all shards can be asked. For processes that have nothing to do without Redis, and for tests. */
  async ready(): Promise<void> {
    await Promise.all(
      this.lanes
        .flatMap(({ connections }) => connections)
        .map((redis) =>
          redis.status === 'ready' ? undefined : new Promise<void>((done) => redis.once('ready', done)),
        ),
    );
  }

  close(): void {
    for (const lane of this.lanes) lane.close();
  }
}
