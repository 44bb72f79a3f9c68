import type { Logger } from 'pino';
import type { Database, DatabaseSession } from '../database/client.ts';
import { isDatabaseOutage } from '../outages.ts';
import {
  claimEndedParents,
  deleteEndedParents,
  type EndedParent,
  findPending,
  findStillPending,
  lockWaiting,
  postponeEndedParents,
  type Settled,
  settleDependencies,
} from './dependency-store.ts';
import type { KnownEpochs } from './epochs.ts';
import { planOutcomes, readParentOutcomes } from './parent-outcomes.ts';
import type { TaskWriter } from './task-writer.ts';
import { type CancelledWaiting, cancelRows, countCancelled, releaseRows } from './waiting-store.ts';

export interface ResolveServices {
  database: Database;
  taskWriter: TaskWriter;
  logger: Logger;
}

/** Ends that are dealt with in one transaction. */
const MAX_ENDED = 50;
/** Dependencies that are settled in one transaction. A parent with more children is dealt with in several. */
const MAX_SETTLED = 200;
/** Payloads and parents' results that are read in one transaction, unless a single task has more. */
const MAX_BYTES = 32 * 1024 * 1024;

/** What one transaction was about to read is too large for the memory. */
class TooLargeError extends Error {}

/**
 * Deals with tasks that have ended and that others wait for: children whose parents have all ended are set free, and those
 * that do not want to run after a parent that did not complete are CANCELLED. Any number of managers may call this at once.
 * Whatever is done for an end is one transaction with the deletion of its entry, so a manager may die anywhere.
 *
 * @param limits how many ends are dealt with in one transaction. Default: 50
 * @returns how many entries were looked at: none when no other was left over
 * @throws what Prisma throws when PostgreSQL cannot be reached; then nothing has changed
 */
export const resolveDependencies = async (
  services: ResolveServices,
  { ends = MAX_ENDED }: { ends?: number } = {},
): Promise<number> => {
  const claimed: bigint[] = [];
  for (let limit = MAX_SETTLED; ; limit = Math.max(1, limit >> 2)) {
    try {
      return await resolveOnce(services, { ends, limit }, claimed);
    } catch (error) {
      if (error instanceof TooLargeError) continue;
      if (isDatabaseOutage(error) || claimed.length === 0) throw error;
      // What cannot be dealt with now must not hold up the others for ever.
      services.logger.error({ err: error, entries: claimed.length }, 'could not resolve dependencies; will try again');
      await postponeEndedParents(services.database, claimed);
      return 0;
    }
  }
};

/** @param claimed where the entries are noted, for the case that it fails */
const resolveOnce = async (
  { database, taskWriter }: ResolveServices,
  { ends, limit }: { ends: number; limit: number },
  claimed: bigint[],
): Promise<number> => {
  const epochs = taskWriter.knownEpochs();
  const { count, afterCommit } = await database.$transaction(async (transaction) => {
    const entries = await claimEndedParents(transaction, ends);
    claimed.splice(0, claimed.length, ...entries.map(({ id }) => id));
    if (entries.length === 0) return { count: 0, afterCommit: undefined };
    // Of a task that ended more than once, one end after the other.
    const ended = new Map(entries.toReversed().map((entry) => [entry.taskId, entry]));
    const { settled, isAll } = await settle(transaction, ended, limit);
    const afterCommit = await moveChildren(transaction, taskWriter, epochs, { settled, limit });
    if (isAll) await deleteEndedParents(transaction, [...ended.values()]);
    return { count: entries.length, afterCommit };
  });
  afterCommit?.();
  return count;
};

/** @returns the dependencies that were waiting for these ends, and whether these were all */
const settle = async (
  transaction: DatabaseSession,
  ended: ReadonlyMap<string, EndedParent>,
  limit: number,
): Promise<{ settled: Settled[]; isAll: boolean }> => {
  const pending = await findPending(transaction, [...ended.values()], limit);
  if (pending.length === 0) return { settled: [], isAll: true };
  // Locked first: what others settle for the same children is then either seen below, or waits for this transaction.
  const waiting = await lockWaiting(transaction, [...new Set(pending.map(({ childId }) => childId))]);
  const bytes = waiting.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
  if (bytes > MAX_BYTES && limit > 1) throw new TooLargeError();
  const settled = await settleDependencies(
    transaction,
    pending.flatMap((each) => {
      const end = ended.get(each.parentId);
      return end ? [{ ...each, status: end.status, seq: end.seq }] : [];
    }),
  );
  const ids = new Set(waiting.map(({ id }) => id));
  return { settled: settled.filter(({ childId }) => ids.has(childId)), isAll: pending.length < limit };
};

/** Cancels the children that are to be cancelled, and sets those free that wait for nothing any more. */
const moveChildren = async (
  transaction: DatabaseSession,
  taskWriter: TaskWriter,
  epochs: KnownEpochs,
  { settled, limit }: { settled: readonly Settled[]; limit: number },
): Promise<(() => void) | undefined> => {
  if (settled.length === 0) return undefined;
  const doomed = new Map<string, string>();
  for (const each of settled) {
    if (each.status !== 'COMPLETED' && each.onFailure === 'CANCEL' && !doomed.has(each.childId))
      doomed.set(each.childId, reasonOf(each));
  }
  const others = [...new Set(settled.map(({ childId }) => childId))].filter((id) => !doomed.has(id));
  const cancelled: CancelledWaiting[] =
    doomed.size > 0
      ? await cancelRows(
          transaction,
          [...doomed].map(([id, detail]) => ({ id, detail })),
        )
      : [];
  const released = await release(transaction, others, limit);
  if (cancelled.length + released.length === 0) return undefined;
  const afterCommit = await taskWriter.moveWithin(transaction, [...cancelled, ...released], released, epochs);
  if (cancelled.length > 0) await countCancelled(transaction, cancelled);
  return afterCommit;
};

const release = async (transaction: DatabaseSession, ids: readonly string[], limit: number) => {
  if (ids.length === 0) return [];
  const pending = await findStillPending(transaction, ids);
  const ready = ids.filter((id) => !pending.has(id));
  if (ready.length === 0) return [];
  const plan = await planOutcomes(transaction, ready, 'first end');
  if (plan.bytes > MAX_BYTES && limit > 1) throw new TooLargeError();
  return releaseRows(transaction, await readParentOutcomes(transaction, plan));
};

/** Stands in the event of a child, and in its `cancelReason`. */
const reasonOf = ({ parentId, status }: Settled): string =>
  JSON.stringify({
    reason: status === 'FAILED' ? 'PARENT_FAILED' : 'PARENT_CANCELLED',
    parentId,
    message: `The task ${parentId}, for which it waited, ended ${status}.`,
  });
