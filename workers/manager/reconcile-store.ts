import { plainArray } from '../../src/database/arrays.ts';
import { type Database, Prisma } from '../../src/database/client.ts';

/** A task that has not ended, as it must be put back into Redis. */
export interface UnfinishedTask {
  id: string;
  ownerId: string;
  type: string;
  queue: string;
  priority: 'HIGH' | 'NORMAL' | 'LOW';
  status: string;
  seq: number;
  attempt: number;
  maxAttempts: number;
  timeoutMs: number | null;
  runAt: Date | null;
  /** JSON text. */
  payload: string;
  backoff: string | null;
  /** JSON text, where it was told to stop. */
  cancelReason: string | null;
  /** What became of the tasks that it waited for: JSON text. */
  parents: string | null;
  /** W3C Trace Context of its submission, where that is traced. */
  traceparent: string | null;
}

export interface OutboxEntry {
  id: string;
  minId: string;
  maxId: string;
  /** The seq that its tasks have as long as nothing happened to them. */
  seq: number;
}

/** Begins a term: from now on, no earlier leader can record in this shard. */
export const beginTerm = async (database: Database, shardId: string): Promise<bigint> => {
  const [row] = await database.$queryRaw<{ term: bigint }[]>`
    INSERT INTO shards AS s (id, term) VALUES (${shardId}, 1)
    ON CONFLICT (id) DO UPDATE SET term = s.term + 1 RETURNING term`;
  return (row as { term: bigint }).term;
};

/** The newest epoch of a shard whose term has begun. */
export const readEpoch = async (database: Database, shardId: string): Promise<bigint> => {
  const [row] = await database.$queryRaw<{ epoch: bigint }[]>`SELECT epoch FROM shards WHERE id = ${shardId}`;
  return (row as { epoch: bigint }).epoch;
};

/**
 * Begins a new epoch of a shard.
 *
 * @param by 1, or 2 to shut out at once every submitter that knew the epoch before
 * @returns the epoch, or undefined when another manager leads by now
 */
export const beginEpoch = async (
  database: Database,
  shardId: string,
  term: bigint,
  by: 1 | 2,
): Promise<bigint | undefined> => {
  const [row] = await database.$queryRaw<{ epoch: bigint }[]>`
    UPDATE shards SET epoch = epoch + ${by}, previous_epoch_at = CASE WHEN ${by} = 2 THEN clock_timestamp() ELSE epoch_at END,
      epoch_at = clock_timestamp()
    WHERE id = ${shardId} AND term = ${term} RETURNING epoch`;
  return row?.epoch;
};

/** Are there outbox rows of a shard whose submitter must have been done long ago? */
export const hasForgotten = async (database: Database, shardId: string, olderThanMs: number): Promise<boolean> => {
  const [row] = await database.$queryRaw<{ found: boolean }[]>`
    SELECT EXISTS (SELECT FROM outbox WHERE shard_id = ${shardId} AND ${isOlderThan(olderThanMs)}) AS found`;
  return row?.found === true;
};

const isOlderThan = (ms: number): Prisma.Sql =>
  Prisma.sql`created_at < clock_timestamp() - make_interval(secs => ${ms / 1_000}::float8)`;

/**
 * The oldest thousand of these rows whose submitters may no longer enqueue: written before the epoch before this one began, so
 * that the epoch which their submitters knew is too old by now.
 */
export const findShutOut = async (database: Database, shardId: string, olderThanMs: number): Promise<OutboxEntry[]> => {
  const rows = await database.$queryRaw<{ id: string; min_id: string; max_id: string; seq: number }[]>`
    SELECT id, min_id, max_id, seq FROM outbox
    WHERE shard_id = ${shardId} AND ${isOlderThan(olderThanMs)}
      AND created_at < (SELECT previous_epoch_at - interval '2 ms' FROM shards WHERE id = ${shardId})
    ORDER BY created_at LIMIT 1000`;
  return rows.map((row) => ({ id: row.id, minId: row.min_id, maxId: row.max_id, seq: row.seq }));
};

/**
 * Tasks of a batch to which nothing happened, as far as PostgreSQL knows. Between the ids of a batch there may be others, of a
 * submitter that is not shut out yet: those have their own outbox row. (Their times are rounded to ms, hence the margin.)
 */
export const findUntouched = async (
  database: Database,
  shardId: string,
  { minId, maxId, seq }: OutboxEntry,
): Promise<{ id: string; priority: UnfinishedTask['priority'] }[]> =>
  database.$queryRaw<{ id: string; priority: UnfinishedTask['priority'] }[]>`
    SELECT id, priority::text FROM tasks
    WHERE id BETWEEN ${minId}::uuid AND ${maxId}::uuid AND seq = ${seq} AND finished_at IS NULL AND status <> 'WAITING'
      AND submitted_at <= (SELECT previous_epoch_at - interval '1 ms' FROM shards WHERE id = ${shardId})`;

interface TaskRow {
  id: string;
  owner_id: string;
  type: string;
  queue: string;
  priority: UnfinishedTask['priority'];
  status: string;
  seq: number;
  attempt: number;
  max_attempts: number;
  timeout_ms: number | null;
  run_at: Date | null;
  payload: string;
  backoff: string | null;
  cancel_reason: string | null;
  parents: string | null;
  traceparent: string | null;
}

const COLUMNS = Prisma.sql`id, owner_id, type, queue, priority::text, status::text, seq, attempt, max_attempts, timeout_ms, run_at,
      payload::text, backoff, cancel_reason::text, parent_results::text AS parents, traceparent`;

const toUnfinished = (row: TaskRow): UnfinishedTask => ({
  id: row.id,
  ownerId: row.owner_id,
  type: row.type,
  queue: row.queue,
  priority: row.priority,
  status: row.status,
  seq: row.seq,
  attempt: row.attempt,
  maxAttempts: row.max_attempts,
  timeoutMs: row.timeout_ms,
  runAt: row.run_at,
  payload: row.payload,
  backoff: row.backoff,
  cancelReason: row.cancel_reason,
  parents: row.parents,
  traceparent: row.traceparent,
});

/** Those of these tasks that still have the seq given with them, whole. */
export const loadUntouched = async (
  database: Database,
  tasks: readonly { id: string; seq: number }[],
): Promise<UnfinishedTask[]> => {
  const rows = await database.$queryRaw<TaskRow[]>`
    SELECT ${COLUMNS} FROM tasks
    WHERE (id, seq) IN (SELECT * FROM unnest(${plainArray(tasks, ({ id }) => id)}::uuid[], ${plainArray(tasks, ({ seq }) => seq)}::int[]))
      AND finished_at IS NULL AND status <> 'WAITING'
    ORDER BY id`;
  return rows.map(toUnfinished);
};

export const deleteOutboxRows = async (database: Database, rows: readonly OutboxEntry[]): Promise<void> => {
  await database.$executeRaw`DELETE FROM outbox WHERE id = ANY(${rows.map(({ id }) => id)}::uuid[])`;
};

/** Rows looked at by one statement, so that each stays far below the statement's time limit however many have ended. */
const SPAN = 20_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * All unfinished tasks of these priorities that were written before the present epoch began, oldest first, span by span.
 * Without an index on the status (it would cost every transition), this reads all ids once: about 30 ms for 20,000.
 * Tasks of the last ms before the epoch, whose times may be rounded, are left to their outbox rows.
 */
export async function* unfinishedTasks(
  database: Database,
  shardId: string,
  priorities: readonly string[],
): AsyncGenerator<UnfinishedTask[]> {
  let last = FIRST_ID;
  for (;;) {
    const [span] = await database.$queryRaw<{ end: string | null }[]>`
      SELECT (SELECT id FROM (SELECT id FROM tasks WHERE id > ${last}::uuid ORDER BY id LIMIT ${SPAN}) s ORDER BY id DESC LIMIT 1) AS end`;
    const end = span?.end;
    if (!end) return;
    const rows = await database.$queryRaw<TaskRow[]>`
      SELECT ${COLUMNS} FROM tasks
      WHERE id > ${last}::uuid AND id <= ${end}::uuid AND finished_at IS NULL AND status <> 'WAITING'
        AND priority = ANY(${[...priorities]}::task_priority[])
        AND submitted_at < (SELECT epoch_at - interval '1 ms' FROM shards WHERE id = ${shardId})
      ORDER BY id`;
    if (rows.length > 0) yield rows.map(toUnfinished);
    last = end;
  }
}
