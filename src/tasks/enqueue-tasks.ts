import type { Logger } from 'pino';
import { enqueue } from '../broker/calls.ts';
import { BrokerStaleError } from '../broker/define-function.ts';
import { encodeHead } from '../broker/event-stream.ts';
import type { Broker, Lane, Shard } from '../broker/lanes.ts';
import { enqueueFailed } from '../diagnostics.ts';
import type { Change } from '../realtime/change.ts';
import { publishChanges } from '../realtime/publish.ts';
import type { NewTask } from './new-task.ts';
import type { TaskStatus } from './task-state.ts';

/** What the broker must know of a task. */
export type Enqueueable = Pick<
  NewTask,
  | 'id'
  | 'ownerId'
  | 'type'
  | 'queue'
  | 'priority'
  | 'payload'
  | 'maxAttempts'
  | 'timeoutMs'
  | 'backoff'
  | 'runAt'
  | 'traceparent'
> & {
  status: string;
  /** Number of its last transition. Default: 1, its first. */
  seq?: number;
  /** What became of the tasks that it waited for: JSON text. Default: it waited for none. */
  parents?: string | null;
};

/** The tasks of one batch that go to one shard, with the epoch that was known before they were written. */
export interface ShardBatch {
  shard: Shard;
  epoch: string | undefined;
  tasks: Enqueueable[];
}

/** Tasks in one FCALL, at most: a larger one would block Redis for everybody else for too long. */
const CHUNK = 500;
/** Characters of their bodies, unless a single one has more: what became of a task's parents may have four million. */
const CHUNK_LENGTH = 16 * 1024 * 1024;

export const groupByShard = (
  broker: Broker,
  tasks: readonly Enqueueable[],
  epochOf: (shard: Shard) => string | undefined,
): ShardBatch[] => {
  const batches = new Map<string, ShardBatch>();
  for (const task of tasks) {
    const shard = broker.shardFor(task.priority, task.id);
    const batch = batches.get(shard.id);
    if (batch) batch.tasks.push(task);
    else batches.set(shard.id, { shard, epoch: epochOf(shard), tasks: [task] });
  }
  return [...batches.values()];
};

/** What follows the head in a task's body in Redis. JSON text as PostgreSQL and JSON.stringify write it has no newline. */
export const bodyOf = ({ payload, parents }: Pick<Enqueueable, 'payload' | 'parents'>): string =>
  parents ? `${payload}\n${parents}` : payload;

/** Tasks in portions that one FCALL may have. */
export const inChunks = <T extends Pick<Enqueueable, 'payload' | 'parents'>>(tasks: readonly T[]): T[][] => {
  const chunks: T[][] = [];
  let length = 0;
  for (const task of tasks) {
    const bodyLength = task.payload.length + (task.parents?.length ?? 0);
    const open = chunks.at(-1);
    length += bodyLength;
    if (open && open.length < CHUNK && length <= CHUNK_LENGTH) {
      open.push(task);
    } else {
      chunks.push([task]);
      length = bodyLength;
    }
  }
  return chunks;
};

const toItem = (task: Enqueueable) => ({
  id: task.id,
  seq: task.seq ?? 1,
  runAt: task.status === 'SCHEDULED' ? (task.runAt?.getTime() ?? '') : '',
  head: encodeHead(task),
  payload: bodyOf(task),
});

interface Sent {
  /** The epoch in which Redis took the first of what it took. */
  epoch?: string | undefined;
  /** What it did not take. */
  left: Enqueueable[][];
  /** Why: a BrokerStaleError only where that was the reason for all of it. */
  failure?: unknown;
}

const send = async (shard: Shard, epoch: string, chunks: Enqueueable[][]): Promise<Sent> => {
  const outcomes = await Promise.allSettled(chunks.map((chunk) => enqueue(shard, { epoch }, chunk.map(toItem))));
  // All went through one connection: what the first call found is the oldest.
  const taken = outcomes.find((outcome) => outcome.status === 'fulfilled')?.value;
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  const failure = failures.find((reason) => !(reason instanceof BrokerStaleError)) ?? failures[0];
  return { epoch: taken, left: chunks.filter((_, i) => outcomes[i]?.status === 'rejected'), failure };
};

/**
 * Makes committed tasks claimable.
 *
 * @param renew asked once for a batch whose epoch was not known (undefined), or is too old by what Redis said: for one with
 *   which it may be enqueued all the same. Only what Redis has refused is sent again: the rest may have run by then
 * @returns the epoch in which Redis took them all; undefined where it did not: their outbox row stays and the reconciler does it
 */
export const enqueueBatch = async (
  { shard, epoch, tasks }: ShardBatch,
  renew: (refusal: BrokerStaleError | undefined) => Promise<string | undefined>,
  logger: Logger,
): Promise<string | undefined> => {
  const chunks = inChunks(tasks);
  let sent: Sent = epoch === undefined ? { left: chunks } : await send(shard, epoch, chunks);
  if (sent.left.length > 0 && (sent.failure === undefined || sent.failure instanceof BrokerStaleError)) {
    const renewed = await renew(sent.failure);
    if (renewed !== undefined) {
      const again = await send(shard, renewed, sent.left);
      sent = { ...again, epoch: sent.epoch ?? again.epoch };
    }
  }
  if (sent.left.length === 0) return sent.epoch;
  enqueueFailed.publish({ tasks: tasks.length });
  if (sent.failure !== undefined)
    logger.warn({ err: sent.failure, shard: shard.id, tasks: tasks.length }, 'could not enqueue; the reconciler will');
  return undefined;
};

/** What the first transition of a task looks like to subscribers. */
export const firstChange = (task: NewTask, position: number, at: Date): Change => ({
  ownerId: task.ownerId,
  position,
  taskId: task.id,
  seq: 1,
  status: task.status,
  attempt: 0,
  queue: task.queue,
  type: task.type,
  workerId: '',
  atMs: at.getTime(),
  runAtMs: task.status === 'SCHEDULED' ? task.runAt?.getTime() : undefined,
  data: '',
  origin: {
    priority: task.priority,
    maxAttempts: task.maxAttempts,
    timeoutMs: task.timeoutMs,
    tags: [...task.tags],
    runAt: task.runAt?.toISOString() ?? null,
    backoff: task.backoff,
  },
});

/** What became of a task that was not in the broker's hands: a transition that PostgreSQL made. */
export interface Move {
  id: string;
  ownerId: string;
  type: string;
  queue: string;
  status: TaskStatus;
  /** Number of this transition. */
  seq: number;
  runAt: Date | null;
  /** JSON text for its event; empty for none. */
  detail: string;
}

/** What a move looks like to subscribers. */
export const movedChange = (move: Move, position: number, at: Date): Change => ({
  ownerId: move.ownerId,
  position,
  taskId: move.id,
  seq: move.seq,
  status: move.status,
  attempt: 0,
  queue: move.queue,
  type: move.type,
  workerId: '',
  atMs: at.getTime(),
  runAtMs: move.status === 'SCHEDULED' ? move.runAt?.getTime() : undefined,
  data: move.detail,
});

/** Tells subscribers of new tasks, each lane's on that lane: a lane that is down holds up only its own. */
export const announceTasks = async (broker: Broker, changes: readonly Change[], logger: Logger): Promise<void> => {
  const byLane = new Map<Lane, Change[]>();
  for (const change of changes) {
    // A change without an origin may go on either lane: positions put them in order.
    const lane = broker.laneFor((change.origin?.priority ?? 'NORMAL') as NewTask['priority']);
    const list = byLane.get(lane);
    if (list) list.push(change);
    else byLane.set(lane, [change]);
  }
  await Promise.all(
    [...byLane].map(([lane, list]) =>
      publishChanges(broker, lane, list).catch((error) => {
        logger.warn({ err: error, lane: lane.name }, 'could not announce; subscribers will find it in PostgreSQL');
      }),
    ),
  );
};
