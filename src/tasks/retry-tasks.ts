import type { Database, DatabaseSession } from '../database/client.ts';
import { whileBusy } from '../database/while-busy.ts';
import { TaskFlowError } from '../errors.ts';
import { findDrainingQueues } from '../queues/queue-store.ts';
import { findOpenParents, lockParents, markParents, PARENTS_BUSY, waitAgain } from './dependency-store.ts';
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
 * One that waited for others is WAITING again as long as one of these has not ended: it may just have been put back as well.
 * Otherwise it is told what became of them, as they stand now, also where one FAILED: whoever puts it back wants it to run.
 *
 * @param ownerId whose; undefined for everybody's
 * @param ids at most some hundreds
 * @param epochs as they were known before the transaction began
 * @param endedSince when the caller began to put tasks back, in several transactions: a parent that did not complete since
 *   then counts as if it had been put back in this one, so that what waits for it is CANCELLED again. Default: none does
 * @returns the ids of those that were put back, and what the caller must call after its commit
 * @throws lock_not_available (55P03), as `lockParents`
 */
export const retryWithin = async (
  session: DatabaseSession,
  taskWriter: TaskWriter,
  ownerId: string | undefined,
  ids: readonly string[],
  epochs: KnownEpochs,
  { endedSince }: { endedSince?: Date } = {},
): Promise<{ ids: string[]; afterCommit: () => void }> => {
  const reset = await resetEnded(session, ownerId, ids);
  if (reset.length === 0) return { ids: [], afterCommit: () => {} };
  const { waiting, hasEndedParents } = await holdBack(session, ownerId, reset, endedSince);
  const queued = reset.filter(({ id }) => !waiting.has(id));
  const moves = reset.map((task) => ({
    ...task,
    status: waiting.has(task.id) ? ('WAITING' as const) : ('QUEUED' as const),
    detail: RETRIED,
  }));
  const handOver = await taskWriter.moveWithin(session, moves, await tellOfParents(session, queued), epochs);
  const afterCommit = (): void => {
    handOver();
    if (hasEndedParents) taskWriter.announceEndedParents();
  };
  return { ids: reset.map(({ id }) => id), afterCommit };
};

/** @returns those of the tasks that are WAITING again, and whether managers have to look at once */
const holdBack = async (
  session: DatabaseSession,
  ownerId: string | undefined,
  reset: readonly { id: string }[],
  endedSince: Date | undefined,
): Promise<{ waiting: Set<string>; hasEndedParents: boolean }> => {
  const nothing = { waiting: new Set<string>(), hasEndedParents: false };
  const childIds = reset.map(({ id }) => id);
  const found = await findOpenParents(session, childIds, endedSince);
  if (found.length === 0) return nothing;
  const locked = await lockParents(session, ownerId, [...new Set(found.map(({ parentId }) => parentId))]);
  const parents = new Map(locked.map((parent) => [parent.id, parent]));
  const dependencies = found.flatMap((each) => {
    const parent = parents.get(each.parentId);
    return parent ? [{ ...each, parentSeq: parent.seq }] : [];
  });
  if (dependencies.length === 0) return nothing;
  // Some may have ended since they were found.
  const ended = locked.filter(({ status }) => hasEnded(status));
  await markParents(session, [...parents.keys()]);
  await waitAgain(session, dependencies, ended);
  return { waiting: new Set(dependencies.map(({ childId }) => childId)), hasEndedParents: ended.length > 0 };
};

/**
 * Tells tasks what became of those that they waited for, as they stand now: a parent may have been retried since. Who was told
 * before of one that is not kept any more keeps what it was told.
 */
const tellOfParents = async <T extends Pick<Enqueueable, 'id' | 'parents'>>(
  session: DatabaseSession,
  tasks: readonly T[],
): Promise<T[]> => {
  if (tasks.length === 0) return [];
  const plan = await planOutcomes(
    session,
    tasks.map(({ id }) => id),
    'now',
  );
  for (const { id, parents } of tasks) {
    if (parents !== null && plan.byChild.get(id)?.some(({ bytes }) => bytes === null)) plan.byChild.delete(id);
  }
  const outcomes = await readParentOutcomes(session, plan);
  if (outcomes.length === 0) return [...tasks];
  await keepParentOutcomes(session, outcomes);
  const byId = new Map(outcomes.map(({ id, parents }) => [id, parents]));
  return tasks.map((task) => ({ ...task, parents: byId.get(task.id) ?? task.parents }));
};

/**
 * Puts a FAILED or CANCELLED task back, with its attempts counted anew. It waits again for those of its parents that have not
 * ended, as in `retryWithin`.
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
  const retry = () => {
    const epochs = taskWriter.knownEpochs();
    return database.$transaction((transaction) => retryWithin(transaction, taskWriter, ownerId, [task.id], epochs));
  };
  const retried = await whileBusy(retry, undefined, PARENTS_BUSY);
  // Before a worker can have it, so that the answer shows it as it was put back.
  const now = await findTask(database, ownerId, id).finally(retried.afterCommit);
  if (!now) throw new TaskFlowError('NOT_FOUND', `There is no task ${id}.`);
  if (retried.ids.length > 0) return now;
  if (isRetryable(now) && (await findDrainingQueues(database)).has(now.queue)) throw draining(now.queue);
  throw new TaskFlowError('CONFLICT', `The task is ${now.status}: only a FAILED or CANCELLED one can be put back.`);
};

const isRetryable = ({ status }: TaskSummary): boolean => status === 'FAILED' || status === 'CANCELLED';
