import type { Database, DatabaseSession } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import { findDrainingQueues } from '../queues/queue-store.ts';
import { findLiveParents, lockParents, markParents, waitAgain } from './dependency-store.ts';
import type { Enqueueable } from './enqueue-tasks.ts';
import type { KnownEpochs } from './epochs.ts';
import { findTask, type TaskSummary } from './find-tasks.ts';
import { draining } from './new-task.ts';
import { planOutcomes, readParentOutcomes } from './parent-outcomes.ts';
import { keepParentOutcomes, resetEnded } from './requeue-store.ts';
import { hasEnded } from './task-state.ts';
import type { TaskWriter } from './task-writer.ts';

export interface RetryServices {
  database: Database;
  taskWriter: TaskWriter;
}

/** Stands in the event of a task that is put back. */
const RETRIED = JSON.stringify({ reason: 'RETRIED' });

/**
 * Puts those of these tasks that ended FAILED or CANCELLED back, with their attempts counted anew, inside the caller's
 * transaction. Those of draining queues stay as they are.
 *
 * @param ownerId whose; undefined for everybody's
 * @param ids at most some hundreds
 * @param epochs as they were known before the transaction began
 * @param waits whether those that were cancelled while they waited for others are WAITING again, as long as one of these has
 *   not ended: it may just have been put back as well
 * @returns the ids of those that were put back, and what the caller must call after its commit
 * @throws lock_not_available (55P03) with `waits`, as `lockParents`
 */
export const retryWithin = async (
  session: DatabaseSession,
  taskWriter: TaskWriter,
  ownerId: string | undefined,
  ids: readonly string[],
  epochs: KnownEpochs,
  { waits = false }: { waits?: boolean } = {},
): Promise<{ ids: string[]; afterCommit: () => void }> => {
  const reset = await resetEnded(session, ownerId, ids);
  if (reset.length === 0) return { ids: [], afterCommit: () => {} };
  const waiting = waits ? await holdBack(session, ownerId, reset) : new Set<string>();
  const queued = reset.filter(({ id }) => !waiting.has(id));
  const moves = reset.map((task) => ({
    ...task,
    status: waiting.has(task.id) ? ('WAITING' as const) : ('QUEUED' as const),
    detail: RETRIED,
  }));
  const afterCommit = await taskWriter.moveWithin(session, moves, await tellOfParents(session, queued), epochs);
  return { ids: reset.map(({ id }) => id), afterCommit };
};

/** @returns those of the tasks that are WAITING again */
const holdBack = async (
  session: DatabaseSession,
  ownerId: string | undefined,
  reset: readonly (Pick<Enqueueable, 'id' | 'parents'> & { wasCancelled: boolean })[],
): Promise<Set<string>> => {
  // One that was told of its parents had been set free before.
  const candidates = reset.filter(({ parents, wasCancelled }) => wasCancelled && parents === null).map(({ id }) => id);
  const found = candidates.length > 0 ? await findLiveParents(session, candidates) : [];
  if (found.length === 0) return new Set();
  const locked = await lockParents(session, ownerId, [...new Set(found.map(({ parentId }) => parentId))]);
  const live = new Map(locked.filter(({ status }) => !hasEnded(status)).map((parent) => [parent.id, parent]));
  const dependencies = found.flatMap((each) => {
    const parent = live.get(each.parentId);
    return parent ? [{ ...each, parentSeq: parent.seq }] : [];
  });
  if (dependencies.length === 0) return new Set();
  await markParents(session, [...live.keys()]);
  await waitAgain(session, dependencies);
  return new Set(dependencies.map(({ childId }) => childId));
};

/**
 * Tells tasks that were cancelled while they waited for others what became of these, as they stand now: the parent may have
 * been retried and completed since. Those that have not ended are left out.
 */
const tellOfParents = async <T extends Pick<Enqueueable, 'id' | 'parents'>>(
  session: DatabaseSession,
  tasks: readonly T[],
): Promise<T[]> => {
  const untold = tasks.filter(({ parents }) => parents === null).map(({ id }) => id);
  if (untold.length === 0) return [...tasks];
  const outcomes = await readParentOutcomes(session, await planOutcomes(session, untold, 'now'));
  if (outcomes.length === 0) return [...tasks];
  await keepParentOutcomes(session, outcomes);
  const byId = new Map(outcomes.map(({ id, parents }) => [id, parents]));
  return tasks.map((task) => ({ ...task, parents: byId.get(task.id) ?? task.parents }));
};

/**
 * Puts a FAILED or CANCELLED task back, with its attempts counted anew.
 *
 * @throws TaskFlowError NOT_FOUND; CONFLICT, which names its state, when it has not ended so, or its queue is draining
 */
export const retryTask = async (
  { database, taskWriter }: RetryServices,
  ownerId: string | undefined,
  id: string,
): Promise<TaskSummary> => {
  const task = await findTask(database, ownerId, id, []);
  if (!task) throw new TaskFlowError('NOT_FOUND', `There is no task ${id}.`);
  const epochs = taskWriter.knownEpochs();
  const retried = await database.$transaction((transaction) =>
    retryWithin(transaction, taskWriter, ownerId, [task.id], epochs),
  );
  // Before a worker can have it, so that the answer shows it as it was put back.
  const now = await findTask(database, ownerId, id).finally(retried.afterCommit);
  if (!now) throw new TaskFlowError('NOT_FOUND', `There is no task ${id}.`);
  if (retried.ids.length > 0) return now;
  if (isRetryable(now) && (await findDrainingQueues(database)).has(now.queue)) throw draining(now.queue);
  throw new TaskFlowError('CONFLICT', `The task is ${now.status}: only a FAILED or CANCELLED one can be put back.`);
};

const isRetryable = ({ status }: TaskSummary): boolean => status === 'FAILED' || status === 'CANCELLED';
