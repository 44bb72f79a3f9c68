import { cancel } from '../broker/calls.ts';
import type { Broker } from '../broker/lanes.ts';
import { plainArray } from '../database/arrays.ts';
import type { DatabaseSession } from '../database/client.ts';
import { cancelWaitingWithin } from '../tasks/cancel-waiting.ts';
import { hasEnded, type TaskPriority, type TaskStatus } from '../tasks/task-state.ts';
import type { TaskWriter } from '../tasks/task-writer.ts';
import type { Operation, Step } from './operation-store.ts';

/**
 * How often tasks are tried of which the broker knows nothing, though PostgreSQL says that they wait: their submission or
 * their end is under way. With 250 ms between, that is at least 30 s, in which another manager has taken over what one
 * that died has left, and submissions that were lost on the way are found again.
 */
const MAX_TRIES = 120;

interface PendingTask {
  id: string;
  priority: TaskPriority;
  status: TaskStatus;
  /** Was it cancelled, or told to stop, by this operation? */
  isOurs: boolean;
}

export interface CancelPendingServices {
  broker: Broker;
  taskWriter: TaskWriter;
}

/**
 * Cancels the pending tasks of an operation. A waiting one ends at once; a running one is told to stop, and counts as done.
 * It may be repeated at any point: what the broker has done already is known by the reason, which names the operation.
 *
 * @param graceMs how long a running task may go on; undefined to leave running ones alone, which then count as skipped
 * @throws what ioredis throws, and BrokerNotReadyError
 */
export const cancelPending = async (
  session: DatabaseSession,
  { broker, taskWriter }: CancelPendingServices,
  operation: Operation,
  graceMs: number | undefined,
): Promise<Step> => {
  const reason = JSON.stringify(operation.reason);
  const tasks = await readPending(session, operation);
  const live = tasks.filter(({ isOurs, status }) => !isOurs && !hasEnded(status));
  const states = await cancelInBroker(
    broker,
    live.filter(({ status }) => status !== 'WAITING'),
    reason,
    graceMs,
  );
  // The broker does not know those that wait for others. Last, since it locks the feeds of the owners.
  const waiting = live.filter(({ status }) => status === 'WAITING').map(({ id }) => id);
  const { ids, afterCommit } = await cancelWaitingWithin(session, taskWriter, undefined, waiting, reason);
  const cancelled = [...states.values()].filter((state) => state === 'CANCELLED' || state === 'STOPPING').length;
  const done = tasks.filter(({ isOurs }) => isOurs).length + cancelled + ids.length;
  // One that was set free just now is on its way to the broker.
  const unknown = [...live.map(({ id }) => id).filter((id) => states.get(id) === 'UNKNOWN'), ...without(waiting, ids)];
  const isHopeless = unknown.length > 0 && operation.tries + 1 >= MAX_TRIES;
  const pending = isHopeless ? [] : unknown;
  return {
    done,
    skipped: operation.pending.length - done - pending.length,
    pending,
    tries: pending.length > 0 ? operation.tries + 1 : 0,
    afterCommit,
  };
};

const without = (all: readonly string[], some: readonly string[]): string[] => {
  const left = new Set(some);
  return all.filter((id) => !left.has(id));
};

const readPending = (session: DatabaseSession, { id, pending }: Operation): Promise<PendingTask[]> => {
  const sorted = pending.toSorted();
  return session.$queryRaw<PendingTask[]>`
    SELECT id, priority::text, status::text, status IN ('CANCELLED', 'PROCESSING') AND coalesce(cancel_reason->>'operationId' = ${id}, false) AS "isOurs"
    FROM tasks
    WHERE id = ANY(${plainArray(sorted, (each) => each)}::uuid[]) AND id BETWEEN ${sorted[0]}::uuid AND ${sorted.at(-1)}::uuid`;
};

const cancelInBroker = async (
  broker: Broker,
  tasks: readonly PendingTask[],
  reason: string,
  graceMs: number | undefined,
) => {
  const byShard = Map.groupBy(tasks, ({ priority, id }) => broker.shardFor(priority, id));
  const answers = await Promise.all(
    [...byShard].map(async ([shard, ofShard]) => {
      const items = ofShard.map(({ id }) => ({ id, reason }));
      const cancellations = await cancel(shard, { deadlineMs: graceMs ?? '' }, items);
      return ofShard.map(({ id }, i) => [id, cancellations[i]?.state ?? 'UNKNOWN'] as const);
    }),
  );
  return new Map(answers.flat());
};
