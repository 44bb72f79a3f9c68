import { type Database, type DatabaseSession, Prisma } from '../database/client.ts';
import type { Operation, OperationKind, OperationStatus } from '../database/generated/client/client.ts';
import type { PageSpan } from '../tasks/page.ts';

export type { Operation, OperationKind, OperationStatus };
export type Transaction = Prisma.TransactionClient;

export interface NewOperation {
  id: string;
  /** Null: everybody's tasks. */
  ownerId: string | null;
  actorId: string;
  kind: OperationKind;
  filter: Prisma.InputJsonObject;
  queue: string | null;
  reason: Prisma.InputJsonObject | null;
  isDryRun: boolean;
}

export const insertOperation = (transaction: Transaction, operation: NewOperation): Promise<Operation> =>
  transaction.operation.create({ data: { ...operation, reason: operation.reason ?? Prisma.DbNull } });

/** How many operations of this user have not ended. */
export const countUnfinished = (transaction: Transaction, actorId: string): Promise<number> =>
  transaction.operation.count({ where: { actorId, finishedAt: null } });

export const findOperationRow = (database: Database | Transaction, id: string): Promise<Operation | null> =>
  database.operation.findUnique({ where: { id } });

/** @param userId whose tasks they concern, or who purged a queue; undefined for all */
export const findOperationPage = (
  database: Database,
  userId: string | undefined,
  { after, before, isBackward, limit }: PageSpan,
): Promise<Operation[]> =>
  database.operation.findMany({
    where: {
      ...(userId !== undefined && { OR: [{ ownerId: userId }, { actorId: userId, kind: 'PURGE' }] }),
      id: { ...(after !== undefined && { lt: after }), ...(before !== undefined && { gt: before }) },
    },
    orderBy: { id: isBackward ? 'asc' : 'desc' },
    take: limit,
  });

/**
 * Claims the operation that has waited longest for its next step, for the rest of the transaction. Those that another
 * manager holds are left out, and so are those whose tasks have been tried in vain a moment ago.
 */
export const claimOperation = async (transaction: Transaction): Promise<Operation | null> => {
  const [row] = await transaction.$queryRaw<{ id: string }[]>`
    SELECT id FROM operations
    WHERE finished_at IS NULL AND (tries = 0 OR updated_at <= clock_timestamp() - interval '250 ms')
    ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED`;
  return row ? findOperationRow(transaction, row.id) : null;
};

/** What one step has done. */
export interface Step {
  /** The last task that was looked at. Default: as before. */
  cursor?: string | null;
  /** Tasks of which it is not known yet what became of them. */
  pending?: readonly string[];
  /** How often the pending ones have been tried. */
  tries?: number;
  /** What the broker has counted in all. Default: as before. */
  brokerCount?: number;
  /** These are added to what was there. */
  matched?: number;
  done?: number;
  skipped?: number;
  /** There is nothing more to do. */
  isOver?: boolean;
  /** What the caller must call after its commit. */
  afterCommit?: () => void;
}

/** Writes down how far a claimed operation is. */
export const saveStep = async (session: DatabaseSession, operation: Operation, step: Step): Promise<void> => {
  const { cursor = operation.cursor, pending = [], tries = 0, brokerCount = operation.brokerCount } = step;
  const { matched = 0, done = 0, skipped = 0, isOver = false } = step;
  await session.$executeRaw`
    UPDATE operations SET cursor = ${cursor}::uuid, pending = ${[...pending]}::uuid[], tries = ${tries}, broker_count = ${brokerCount},
      matched = matched + ${matched}, done = done + ${done}, skipped = skipped + ${skipped}, updated_at = clock_timestamp(),
      status = ${isOver ? 'COMPLETED' : 'RUNNING'}::operation_status, finished_at = CASE WHEN ${isOver} THEN clock_timestamp() END
    WHERE id = ${operation.id}::uuid`;
};

/** Lets the other operations go first. */
export const putOff = async (session: DatabaseSession, id: string): Promise<void> => {
  await session.$executeRaw`UPDATE operations SET updated_at = clock_timestamp() WHERE id = ${id}::uuid`;
};

/** Ends an operation that has not ended. Waits for the step that is under way. @returns whether it had not */
export const endOperation = async (
  session: DatabaseSession,
  id: string,
  status: 'CANCELLED' | 'FAILED',
  error: string | null,
): Promise<boolean> => {
  const ended = await session.$executeRaw`
    UPDATE operations SET status = ${status}::operation_status, error = ${error}, pending = NULL, updated_at = clock_timestamp(),
      finished_at = clock_timestamp()
    WHERE id = ${id}::uuid AND finished_at IS NULL`;
  return ended === 1;
};
