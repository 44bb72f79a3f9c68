import type { Database, DatabaseSession } from '../database/client.ts';
import { lockWaiting } from './dependency-store.ts';
import type { TaskWriter } from './task-writer.ts';
import { cancelRows, countCancelled } from './waiting-store.ts';

export interface CancelWaitingServices {
  database: Database;
  taskWriter: TaskWriter;
}

/**
 * Cancels those of these tasks that are WAITING, inside the caller's transaction: the broker does not know them, so that it
 * happens in PostgreSQL, at once. Tasks that wait for them follow, as they have chosen.
 *
 * @param ownerId whose; undefined for everybody's
 * @param ids at most some hundreds
 * @param reason JSON text, as `cancelReason` writes it
 * @returns the ids of those that were cancelled (the others are not WAITING any more, or are somebody else's), and what the
 *   caller must call after its commit
 */
export const cancelWaitingWithin = async (
  session: DatabaseSession,
  taskWriter: TaskWriter,
  ownerId: string | undefined,
  ids: readonly string[],
  reason: string,
): Promise<{ ids: string[]; afterCommit: () => void }> => {
  const waiting = ids.length > 0 ? await lockWaiting(session, ids, ownerId) : [];
  if (waiting.length === 0) return { ids: [], afterCommit: () => {} };
  const cancelled = await cancelRows(
    session,
    waiting.map(({ id }) => ({ id, detail: reason })),
  );
  const announce = await taskWriter.moveWithin(session, cancelled, [], new Map());
  await countCancelled(session, cancelled);
  const afterCommit = (): void => {
    announce();
    if (cancelled.some(({ hasDependents }) => hasDependents)) taskWriter.announceEndedParents();
  };
  return { ids: cancelled.map(({ id }) => id), afterCommit };
};

/** As `cancelWaitingWithin`, in a transaction of its own. @returns the ids of those that were cancelled */
export const cancelWaiting = async (
  { database, taskWriter }: CancelWaitingServices,
  ownerId: string | undefined,
  ids: readonly string[],
  reason: string,
): Promise<string[]> => {
  const cancelled = await database.$transaction((transaction) =>
    cancelWaitingWithin(transaction, taskWriter, ownerId, ids, reason),
  );
  cancelled.afterCommit();
  return cancelled.ids;
};
