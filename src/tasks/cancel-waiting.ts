import type { Database } from '../database/client.ts';
import { lockWaiting } from './dependency-store.ts';
import type { TaskWriter } from './task-writer.ts';
import { cancelRows, countCancelled } from './waiting-store.ts';

export interface CancelWaitingServices {
  database: Database;
  taskWriter: TaskWriter;
}

/**
 * Cancels those of these tasks that are WAITING: the broker does not know them, so that it happens in PostgreSQL, at once.
 * Tasks that wait for them follow, as they have chosen.
 *
 * @param ownerId whose; undefined for an admin
 * @param ids at most some hundreds: they are written in one transaction
 * @param reason JSON text, as `cancelReason` writes it
 * @returns the ids of those that were cancelled; the others are not WAITING (any more), or are somebody else's
 */
export const cancelWaiting = async (
  { database, taskWriter }: CancelWaitingServices,
  ownerId: string | undefined,
  ids: readonly string[],
  reason: string,
): Promise<string[]> => {
  if (ids.length === 0) return [];
  const { cancelled, afterCommit } = await database.$transaction(async (transaction) => {
    const waiting = await lockWaiting(transaction, ids, ownerId);
    if (waiting.length === 0) return { cancelled: [], afterCommit: () => {} };
    const cancelled = await cancelRows(
      transaction,
      waiting.map(({ id }) => ({ id, detail: reason })),
    );
    const afterCommit = await taskWriter.moveWithin(transaction, cancelled, [], taskWriter.knownEpochs());
    await countCancelled(transaction, cancelled);
    return { cancelled, afterCommit };
  });
  afterCommit();
  if (cancelled.some(({ hasDependents }) => hasDependents)) taskWriter.announceEndedParents();
  return cancelled.map(({ id }) => id);
};
