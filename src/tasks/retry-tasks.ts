import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import { findTask, type TaskSummary } from './find-tasks.ts';
import { resetEnded } from './requeue-store.ts';
import type { TaskWriter } from './task-writer.ts';

export interface RetryServices {
  database: Database;
  taskWriter: TaskWriter;
}

/** Says in the event why a task is QUEUED again. */
const RETRIED = 'RETRIED';

/**
 * Puts those of these tasks that ended FAILED or CANCELLED back, with their attempts counted anew.
 *
 * @param ownerId whose; undefined for an admin
 * @param ids at most some hundreds: they are written in one transaction
 * @returns the ids of those that were put back; the others have not ended so, or are somebody else's
 */
export const retryTasks = async (
  { database, taskWriter }: RetryServices,
  ownerId: string | undefined,
  ids: readonly string[],
): Promise<string[]> => {
  const epochs = taskWriter.knownEpochs();
  const { tasks, afterCommit } = await database.$transaction(async (transaction) => {
    const reset = await resetEnded(transaction, ownerId, ids);
    if (reset.length === 0) return { tasks: [], afterCommit: () => {} };
    return { tasks: reset, afterCommit: await taskWriter.requeueWithin(transaction, reset, RETRIED, epochs) };
  });
  afterCommit();
  return tasks.map(({ id }) => id);
};

/**
 * Puts a FAILED or CANCELLED task back, with its attempts counted anew.
 *
 * @throws TaskFlowError NOT_FOUND; CONFLICT, which names its state, when it has not ended so
 */
export const retryTask = async (
  services: RetryServices,
  ownerId: string | undefined,
  id: string,
): Promise<TaskSummary> => {
  const task = await findTask(services.database, ownerId, id, []);
  if (!task) throw new TaskFlowError('NOT_FOUND', `There is no task ${id}.`);
  const [retried] = await retryTasks(services, ownerId, [task.id]);
  const now = await findTask(services.database, ownerId, id);
  if (!now) throw new TaskFlowError('NOT_FOUND', `There is no task ${id}.`);
  if (!retried)
    throw new TaskFlowError('CONFLICT', `The task is ${now.status}: only a FAILED or CANCELLED one can be put back.`);
  return now;
};
