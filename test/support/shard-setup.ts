import { randomBytes } from 'node:crypto';
import { expect, inject } from 'vitest';
import { type Claim, claim, enqueue, setEpoch } from '../../src/broker/calls.ts';
import { Broker, type Shard } from '../../src/broker/lanes.ts';
import { loadLibrary } from '../../src/broker/library.ts';
import { readRunId } from '../../src/broker/run-id.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../src/tasks/task-state.ts';
import { headOf } from './shard-state.ts';

/** One shard in its epoch 7, for tests of the Lua functions. Ids of tasks are whatever the test likes. */
export interface TestShard extends AsyncDisposable {
  shard: Shard;
  add(id: string, more?: Parameters<typeof headOf>[0] & { payload?: string; runAt?: number | '' }): Promise<void>;
  /** Claims as worker w1, of all queues. */
  claim(more?: Partial<Parameters<typeof claim>[1]>): Promise<Claim[]>;
  /** Writes a lease's end into the past. */
  expire(...ids: string[]): Promise<void>;
  /** Forgets the events so far. */
  clearEvents(): Promise<void>;
  loseData(): Promise<void>;
}

/** What its meta key holds. */
export const META = { epoch: '7', state: 'ready', runId: expect.stringMatching(/^\w{40}$/) as string };

/** Opens a shard, as its leader does once it has its data. */
export const openEpoch = async (shard: Shard, epoch: number): Promise<void> => {
  const runId = await readRunId(shard.redis);
  for (const state of ['rebuilding', 'ready']) await setEpoch(shard, { epoch, state, runId });
};

/** Both lanes in one Redis. It does not wait for Redis. Default prefix: one of its own. */
export const openBroker = (port: number, prefix = `test_${randomBytes(8).toString('hex')}`): Broker => {
  const server = { addresses: [{ host: '127.0.0.1', port }] };
  // Its commands fail by themselves where a test has its Redis down.
  return new Broker({ high: server, low: server, prefix, shardsPerLane: 1, commandTimeoutMs: 5_000 }, () => {});
};

export const setupShard = async (): Promise<TestShard> => {
  const broker = openBroker(inject('redisPort'));
  await broker.ready();
  const [shard] = broker.low.shards as [Shard];
  const { redis } = shard.lane;
  await loadLibrary(redis, { moves: LEGAL_MOVES, live: LIVE_STATUSES });
  await openEpoch(shard, 7);
  return {
    shard,
    add: async (id, { payload = '{"n":1}', runAt = '', ...head } = {}) => {
      await enqueue(shard, { epoch: 7 }, [{ id, seq: 1, runAt, head: headOf(head), payload }]);
    },
    claim: (more = {}) =>
      claim(shard, { worker: 'w1', limit: 100, leaseMs: 30_000, lowFirst: 0, queues: '*', types: 'echo', ...more }),
    expire: async (...ids) => {
      for (const id of ids) await redis.zadd(`${shard.tag}:leases`, 'XX', 1, id);
    },
    clearEvents: async () => {
      await redis.del(`${shard.tag}:events`);
    },
    loseData: async () => {
      await redis.del(`${shard.tag}:meta`);
    },
    [Symbol.asyncDispose]: async () => {
      const keys = await redis.keys(`${shard.tag}:*`);
      if (keys.length > 0) await redis.unlink(keys);
      broker.close();
    },
  };
};
