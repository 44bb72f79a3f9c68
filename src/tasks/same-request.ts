import { isDeepStrictEqual } from 'node:util';
import type { Prisma } from '../database/client.ts';
import type { NewTask } from './new-task.ts';
import type { Task } from './task-store.ts';

/** Do two inputs ask for the same, whatever the order of the keys in their payloads? */
export const asksForSame = (task: NewTask, other: NewTask): boolean =>
  isDeepStrictEqual(
    [termsOf(task, JSON.parse(task.payload)), parentsOf(task)],
    [termsOf(other, JSON.parse(other.payload)), parentsOf(other)],
  );

/**
 * As `asksForSame`, of what a stored task was made from. Where that has got another `runAt` since, by a further attempt or a
 * retry, or its type other defaults, the answer is no.
 */
export const wasMadeFrom = async (
  transaction: Prisma.TransactionClient,
  task: NewTask,
  earlier: Task,
): Promise<boolean> => {
  if (!isDeepStrictEqual(termsOf(task, JSON.parse(task.payload)), termsOf(earlier, earlier.payload))) return false;
  const rows = await transaction.taskDependency.findMany({
    where: { childId: earlier.id },
    orderBy: { place: 'asc' },
  });
  const before = rows.map(({ parentId, name, onFailure }) => ({ taskId: parentId, name, onFailure }));
  return isDeepStrictEqual(parentsOf(task), before);
};

const termsOf = (
  { type, queue, priority, runAt, tags, maxAttempts, timeoutMs, backoff }: Task | NewTask,
  payload: unknown,
) => ({ type, queue, priority, runAt, tags: [...tags], maxAttempts, timeoutMs, backoff, payload });

const parentsOf = ({ waitsFor, onParentFailure }: NewTask) =>
  (waitsFor ?? []).map(({ taskId, name }) => ({ taskId, name, onFailure: onParentFailure ?? 'CANCEL' }));
