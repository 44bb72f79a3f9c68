import { BrokerNotReadyError } from '../broker/define-function.ts';
import type { Broker } from '../broker/lanes.ts';
import { Prisma } from '../database/client.ts';
import type { KnownEpochs } from '../tasks/epochs.ts';
import { IS_RETRYABLE } from '../tasks/requeue-store.ts';
import { retryWithin } from '../tasks/retry-tasks.ts';
import type { TaskWriter } from '../tasks/task-writer.ts';
import { cancelPending } from './cancel-pending.ts';
import { deleteEnded, IS_DELETABLE } from './delete-tasks.ts';
import { toWhere } from './operation-filter.ts';
import type { Operation, OperationKind, Step, Transaction } from './operation-store.ts';
import { findOutsideBroker, type PurgePasses, purgeNext } from './purge-queue.ts';
import { countFitting, countTasks, type Found, type Scan, scanTasks } from './scan-tasks.ts';

export interface StepServices {
  broker: Broker;
  taskWriter: TaskWriter;
  /** How long a running task may go on after it was told to stop, in ms. */
  cancelGraceMs: number;
  purgePasses: PurgePasses;
}

/** A step's transaction, and the epochs as they were known before it began. */
export interface StepTransaction {
  transaction: Transaction;
  epochs: KnownEpochs;
}

/** Which tasks can be acted upon, as a condition on rows of `tasks`. */
const ELIGIBLE = {
  RETRY: IS_RETRYABLE,
  CANCEL: Prisma.sql`finished_at IS NULL`,
  DELETE: IS_DELETABLE,
} satisfies Partial<Record<OperationKind, Prisma.Sql>>;

/**
 * Does the next few hundred tasks of a claimed operation, or with a dry run counts the next thousands.
 *
 * What it changes in PostgreSQL belongs to the transaction, together with how far the operation is. What it changes in Redis
 * may be repeated after a failure.
 *
 * @throws what Prisma and ioredis throw, and BrokerNotReadyError
 */
export const takeStep = async (
  services: StepServices,
  within: StepTransaction,
  operation: Operation,
): Promise<Step> => {
  const { kind, isDryRun } = operation;
  if (kind === 'PURGE') return purgeStep(services, within, operation);
  const scan = { ...toScan(operation), eligible: ELIGIBLE[kind] };
  if (isDryRun) return dryStep(within.transaction, scan);
  if (operation.pending.length > 0) {
    return cancelPending(within.transaction, services, operation, services.cancelGraceMs);
  }
  const found = await findNext(within.transaction, scan, kind);
  if (!found) return { isOver: true };
  const { cursor, matched, ids } = found;
  if (kind === 'CANCEL') return { cursor, matched, skipped: matched - ids.length, pending: ids };
  const { done, afterCommit } = await act(services, within, operation, ids);
  return { cursor, matched, done, skipped: matched - done, afterCommit };
};

const findNext = async (transaction: Transaction, scan: Scan, kind: OperationKind): Promise<Found | undefined> => {
  const found = await scanTasks(transaction, scan);
  if (!found || kind !== 'RETRY' || found.ids.length === 0) return found;
  const limit = await countFitting(transaction, found.ids);
  return limit < found.ids.length ? scanTasks(transaction, { ...scan, limit }) : found;
};

const toScan = ({ ownerId, filter, createdAt, cursor }: Operation): Omit<Scan, 'eligible'> => ({
  ownerId,
  where: toWhere(filter),
  createdUntil: createdAt,
  cursor,
});

const dryStep = async (transaction: Transaction, scan: Scan): Promise<Step> => {
  const counted = await countTasks(transaction, scan);
  if (!counted) return { isOver: true };
  const { cursor, matched, eligible } = counted;
  return { cursor, matched, done: eligible, skipped: matched - eligible };
};

const act = async (
  { broker, taskWriter }: StepServices,
  { transaction, epochs }: StepTransaction,
  { kind, ownerId, createdAt }: Operation,
  ids: readonly string[],
): Promise<{ done: number; afterCommit: () => void }> => {
  const nothing = () => {};
  if (ids.length === 0) return { done: 0, afterCommit: nothing };
  if (kind === 'DELETE') return { done: await deleteEnded(transaction, ids), afterCommit: nothing };
  requireRedis(broker);
  const retried = await retryWithin(transaction, taskWriter, ownerId ?? undefined, ids, epochs, {
    endedSince: createdAt,
  });
  return { done: retried.ids.length, afterCommit: retried.afterCommit };
};

/** Retried tasks that Redis does not get are put in by the reconciler, a thousand at a time: better none are retried then. */
const requireRedis = ({ lanes }: Broker): void => {
  for (const { name, redis } of lanes) {
    if (redis.status !== 'ready') throw new BrokerNotReadyError(`the ${name} lane cannot be reached`);
  }
};

/** First what Redis does not know, then, once the cursor is the operation itself, what it knows. */
const purgeStep = async (
  services: StepServices,
  { transaction }: StepTransaction,
  operation: Operation,
): Promise<Step> => {
  if (operation.pending.length > 0) return cancelPending(transaction, services, operation, undefined);
  if (operation.cursor === operation.id) return purgeNext(services.broker, services.purgePasses, operation);
  const { ids, cursor } = await findOutsideBroker(transaction, operation);
  return { cursor, matched: ids.length, pending: ids };
};
