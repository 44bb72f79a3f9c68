import { defineFunction } from './define-function.ts';
import type { Shard } from './lanes.ts';

/** An attempt that a worker was given. */
export interface Claim {
  id: string;
  /** Entitles to this attempt; anything reported with another token is refused. */
  token: string;
  attempt: number;
  maxAttempts: number;
  timeoutMs: number | undefined;
  ownerId: string;
  queue: string;
  type: string;
  /** JSON text. */
  payload: string;
  /** What became of the tasks that it waited for: JSON text; empty where it waited for none. */
  parents: string;
  /** W3C Trace Context of its submission; undefined where that is not traced. */
  traceparent?: string | undefined;
}

const CLAIM_FIELDS = 10;

const toClaims = (raw: unknown): Claim[] => {
  const flat = raw as (string | number)[];
  const claims: Claim[] = [];
  const count = Math.floor(flat.length / CLAIM_FIELDS);
  const traces = flat.length > count * CLAIM_FIELDS ? toTraces(String(flat.at(-1))) : undefined;
  for (let i = 0; i < count * CLAIM_FIELDS; i += CLAIM_FIELDS) {
    const [id, token, attempt, max, timeout, ownerId, queue, type, payload, parents] = flat
      .slice(i, i + CLAIM_FIELDS)
      .map(String) as [string, string, string, string, string, string, string, string, string, string];
    claims.push({
      id,
      token,
      attempt: Number(attempt),
      maxAttempts: Number(max),
      timeoutMs: timeout === '' ? undefined : Number(timeout),
      ownerId,
      queue,
      type,
      payload,
      parents,
      traceparent: traces?.get(id),
    });
  }
  return claims;
};

/** @param text a line for each task that is traced: its id, a tab, its traceparent */
const toTraces = (text: string): Map<string, string> =>
  new Map(text.split('\n').map((line) => line.split('\t') as [string, string]));

const toStrings = (raw: unknown): string[] => raw as string[];
const toNumber = (raw: unknown): number => Number(raw);
const toNothing = (): void => undefined;
const pairs = (flat: readonly string[]): [string, string][] =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string]);

// The contract of each function stands at the head of its file in functions/.

export const enqueue = defineFunction({
  name: 'enqueue',
  args: ['epoch'],
  items: ['id', 'seq', 'runAt', 'head', 'payload'],
  reply: String,
});
export const restore = defineFunction({
  name: 'restore',
  args: ['epoch'],
  items: ['id', 'status', 'seq', 'attempt', 'runAt', 'head', 'payload', 'cancelReason'],
  reply: toNumber,
});
const claimWith = defineFunction({
  name: 'claim',
  args: ['worker', 'limit', 'leaseMs', 'lowFirst', 'queues', 'types', 'traces'],
  items: [],
  reply: toClaims,
});
/** Asks for traces, too: who runs a task continues its trace, or passes it on. */
export const claim = (shard: Shard, args: Omit<Parameters<typeof claimWith>[1], 'traces'>): Promise<Claim[]> =>
  claimWith(shard, { ...args, traces: '1' });
export const complete = defineFunction({
  name: 'complete',
  args: ['worker'],
  items: ['id', 'token', 'result'],
  reply: toStrings,
});
export const fail = defineFunction({
  name: 'fail',
  args: ['worker'],
  items: ['id', 'token', 'error', 'retry', 'delayMs'],
  reply: toStrings,
});
export const release = defineFunction({
  name: 'release',
  args: ['worker'],
  items: ['id', 'token'],
  reply: toStrings,
});
export const extendLeases = defineFunction({
  name: 'extend',
  args: ['leaseMs'],
  items: ['id', 'token'],
  reply: (raw) => {
    const [lost, stopping] = raw as [string[], string[]];
    return { lost, stopping: pairs(stopping).map(([id, reason]) => ({ id, reason })) };
  },
});
/** Where a task stands after a cancellation, and its seq then. */
export interface Cancellation {
  state: 'CANCELLED' | 'STOPPING' | 'RUNNING' | 'UNKNOWN';
  seq: number | undefined;
}
export const cancel = defineFunction({
  name: 'cancel',
  args: ['deadlineMs'],
  items: ['id', 'reason'],
  reply: (raw) =>
    pairs((raw as (string | number)[]).map(String)).map(
      ([state, seq]): Cancellation => ({
        state: state as Cancellation['state'],
        seq: seq === '' ? undefined : Number(seq),
      }),
    ),
});
export const purge = defineFunction({
  name: 'purge',
  args: ['operation', 'before', 'reason', 'limit', 'queue', 'line', 'cursor'],
  items: [],
  reply: (raw) => {
    const [looked, cursor] = raw as [number, string];
    return { looked, cursor };
  },
});
export const pause = defineFunction({ name: 'pause', args: [], items: ['queue', 'paused'], reply: toNothing });
export const reportProgress = defineFunction({
  name: 'progress',
  args: [],
  items: ['id', 'token', 'percent', 'detail'],
  reply: toStrings,
});
export const keepLogs = defineFunction({
  name: 'log',
  args: [],
  items: ['id', 'token', 'number', 'record'],
  reply: toStrings,
});
export const promote = defineFunction({
  name: 'promote',
  args: ['limit'],
  items: [],
  reply: (raw) => {
    const [promoted, nextMs] = raw as [number, number];
    return { promoted, nextMs: nextMs < 0 ? undefined : nextMs };
  },
});
export const reap = defineFunction({ name: 'reap', args: ['limit'], items: [], reply: toNumber });
export const heartbeat = defineFunction({
  name: 'heartbeat',
  args: ['worker', 'description', 'ttlMs'],
  items: ['type', 'payloadSchema', 'defaults'],
  reply: toNothing,
});
export const goodbye = defineFunction({ name: 'goodbye', args: ['worker'], items: [], reply: toNothing });
export const lead = defineFunction({
  name: 'lead',
  args: ['holder', 'leaseMs'],
  items: [],
  reply: (raw) => (['no', 'still', 'from-now-on'] as const)[raw as 0 | 1 | 2],
});
export const resign = defineFunction({ name: 'resign', args: ['holder'], items: [], reply: toNothing });
export const setEpoch = defineFunction({
  name: 'set_epoch',
  args: ['epoch', 'state', 'runId'],
  items: [],
  reply: (raw) => raw === 1,
});
export const missing = defineFunction({ name: 'missing', args: [], items: ['id'], reply: toStrings });
/** How full a shard is. */
export interface ShardFigures {
  /** Entries of the event stream that are not recorded yet. */
  entries: number;
  /** How old the oldest of them is; 0 where none waits. */
  lagMs: number;
  /** "<queue>|<STATUS>" and how many tasks. */
  counts: [string, number][];
  /** Of each line: its queue, and the ids that are next. */
  lines: { queue: string; ids: string[] }[];
}
export const inspect = defineFunction({
  name: 'inspect',
  args: ['maxLines'],
  items: [],
  reply: (raw): ShardFigures => {
    const [entries, age, counts, lines] = raw as [number, string, string[], string[]];
    return {
      entries,
      lagMs: Number(age),
      counts: pairs(counts).map(([field, n]) => [field, Number(n)]),
      lines: pairs(lines).map(([queue, ids]) => ({ queue, ids: ids === '' ? [] : ids.split(',') })),
    };
  },
});
