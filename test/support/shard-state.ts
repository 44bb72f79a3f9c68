import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { decodeEntry, encodeHead, type StreamedTransition } from '../../src/broker/event-stream.ts';
import type { Shard } from '../../src/broker/lanes.ts';

type Value = string | string[] | Record<string, string> | Record<string, number> | Omit<StreamedTransition, 'atMs'>[][];

/** All keys of a shard by what stands after the tag, with their values. Entry ids and the times of entries are left out. */
export type ShardState = Record<string, Value>;

export const dumpShard = async ({ lane: { redis }, tag }: Shard): Promise<ShardState> => {
  const read: Record<string, (key: string) => Promise<Value | null>> = {
    string: (key) => redis.get(key),
    list: (key) => redis.lrange(key, 0, -1),
    set: async (key) => (await redis.smembers(key)).sort(),
    hash: (key) => redis.hgetall(key),
    zset: async (key) => scores(await redis.zrange(key, 0, -1, 'WITHSCORES')),
    stream: async (key) => (await redis.xrange(key, '-', '+')).map(([id, fields]) => withoutTime(id, fields)),
  };
  const state: ShardState = {};
  for (const key of (await redis.keys(`${tag}:*`)).sort()) {
    const value = await read[await redis.type(key)]?.(key);
    if (value) state[key.slice(tag.length + 1)] = value;
  }
  return withoutOwners(state);
};

/** Owners' counts add up to those of the queues; so they need not stand in every test. @throws where they do not */
const withoutOwners = ({ '{owners}:counts': owners = {}, ...state }: ShardState): ShardState => {
  const [byOwner, byQueue] = [owners, state.counts ?? {}].map(sumByStatus);
  if (!isDeepStrictEqual(byOwner, byQueue)) {
    throw new Error(`owners have ${JSON.stringify(byOwner)}, but queues ${JSON.stringify(byQueue)}`);
  }
  return state;
};

const sumByStatus = (counts: Value): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const [field, n] of Object.entries(counts).sort()) {
    const status = field.split('|').at(-1) as string;
    sums[status] = (sums[status] ?? 0) + Number(n);
  }
  return sums;
};

const scores = (flat: string[]): Record<string, number> =>
  Object.fromEntries(flat.flatMap((id, i) => (i % 2 === 0 ? [[id, Number(flat[i + 1])]] : [])));

const withoutTime = (id: string, fields: string[]) =>
  decodeEntry(id, fields).transitions.map(({ atMs: _, ...rest }) => rest);

/** A time within five seconds of `ms` from now. */
export const inAbout = (ms: number): number => expect.closeTo(Date.now() + ms, -4) as number;

export const TEST_OWNER = '01900000-0000-7000-8000-00000000cafe';

/** A head as submitters write it. */
export const headOf = (more: Partial<Parameters<typeof encodeHead>[0]> = {}): string =>
  encodeHead({
    queue: 'default',
    priority: 'NORMAL',
    ownerId: TEST_OWNER,
    maxAttempts: 3,
    timeoutMs: null,
    type: 'echo',
    ...more,
  });

/** What an event looks like in a dump. */
export const event = (
  taskId: string,
  seq: number,
  status: string,
  more: Partial<Omit<StreamedTransition, 'atMs'>> = {},
): Omit<StreamedTransition, 'atMs'> => ({
  taskId,
  seq,
  status,
  attempt: 0,
  ownerId: TEST_OWNER,
  queue: 'default',
  type: 'echo',
  workerId: '',
  runAtMs: undefined,
  data: '',
  ...more,
});
