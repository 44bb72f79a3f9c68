import { Redis, type RedisOptions } from 'ioredis';
import { shardTag } from './keys.ts';

export type LaneName = 'high' | 'low';
export const LANE_NAMES: readonly LaneName[] = ['high', 'low'];

/** One partition of a lane: the unit of leadership, of recording and of recovery. */
export interface Shard {
  /** "high:0": its row in the table `shards`. */
  readonly id: string;
  /** The hash tag with which all its keys begin. */
  readonly tag: string;
  readonly lane: Lane;
}

/** One Redis with the connections of this process to it. */
export interface Lane {
  readonly name: LaneName;
  /** For short commands. They fail at once while Redis is away: callers decide whether to wait. */
  readonly redis: Redis;
  readonly shards: readonly Shard[];
  /** A further connection, for one reader that blocks in it or subscribes. It reconnects for ever. The caller closes it. */
  connect(): Redis;
}

/** Where a lane's Redis is, and as whom to log in. Without a password nobody logs in. */
export interface RedisServer {
  host: string;
  port: number;
  /** Default: Redis' user "default". */
  username?: string | undefined;
  password?: string | undefined;
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

const openLane = (name: LaneName, options: BrokerOptions, onError: (error: Error) => void): Lane => {
  const server: RedisOptions = { ...withoutUndefined(options[name]), retryStrategy };
  const open = (more: RedisOptions): Redis => new Redis({ ...server, ...more }).on('error', onError);
  const shards: Shard[] = [];
  const lane: Lane = {
    name,
    redis: open({
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: options.commandTimeoutMs,
    }),
    shards,
    connect: () => open({ maxRetriesPerRequest: null }),
  };
  for (let index = 0; index < options.shardsPerLane; index++) {
    shards.push({ id: `${name}:${index}`, tag: shardTag(options.prefix, name, index), lane });
  }
  return lane;
};

const withoutUndefined = ({ host, port, username, password }: RedisServer): RedisOptions => ({
  host,
  port,
  ...(username !== undefined && { username }),
  ...(password !== undefined && { password }),
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

  /** Waits until both lanes answer. For processes that have nothing to do without Redis, and for tests. */
  async ready(): Promise<void> {
    await Promise.all(
      this.lanes.map(({ redis }) =>
        redis.status === 'ready' ? undefined : new Promise<void>((done) => redis.once('ready', done)),
      ),
    );
  }

  close(): void {
    for (const lane of this.lanes) lane.redis.disconnect();
  }
}
