import { ENDED_STATUSES, type Limits } from './limits.ts';
import type { Session } from './session.ts';

/** Rows that one statement changes, at most: a few ms, in which nobody waits long for a row. */
export const BATCH = 1_000;

/**
 * Rows of one kind that have had their time. Both statements take the same parameters, and `sweep` after them the size of a
 * batch. Rows that somebody else has locked are left to the next run.
 */
export interface ExpiredRows {
  count: string;
  /**
   * Locks the rows of a batch and returns their ids. Where it is given, it takes the parameters, and `sweep`, in the same
   * transaction, an array of these ids: for tables with partitions (docs/decisions/row-locks-apart.md).
   */
  take?: string;
  sweep: string;
  /** Undefined when the settings keep these rows for ever. */
  values: (limits: Limits) => unknown[] | undefined;
}

const unlessKept = (limit: Date | null): unknown[] | undefined => (limit ? [limit] : undefined);

const ENDED_KEYS = `api_keys WHERE revoked_at IS NULL AND (expires_at <= $1 OR coalesce(last_used_at, created_at) <= $2)`;

/** A UUIDv7: time and version of the first one of this ms, the rest at random. (`uuidv7()` came with PostgreSQL 18.) */
const NEW_ID = 'overlay(gen_random_uuid()::text PLACING left(taskflow_first_id(now())::text, 15) FROM 1 FOR 15)::uuid';

/** Soft delete: the key is refused from now on, its owner still sees it, and the audit log says why. */
export const API_KEYS_TO_REVOKE: ExpiredRows = {
  count: `SELECT count(*) FROM ${ENDED_KEYS}`,
  sweep: `WITH revoked AS (
      UPDATE api_keys SET revoked_at = $1
      WHERE id IN (SELECT id FROM ${ENDED_KEYS} ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
      RETURNING id, CASE WHEN expires_at <= $1 THEN 'EXPIRED' ELSE 'UNUSED' END AS reason)
    INSERT INTO audit_log (id, action, target, detail)
    SELECT ${NEW_ID}, 'API_KEY_REVOKED', id, jsonb_build_object('by', 'janitor', 'reason', reason) FROM revoked`,
  // With null instead of a limit, nothing counts as unused.
  values: ({ now, apiKeyUse }) => [now, apiKeyUse],
};

const FORGOTTEN_KEYS = 'api_keys WHERE revoked_at <= $1';

/** Hard delete. */
export const API_KEYS_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${FORGOTTEN_KEYS}`,
  sweep: `DELETE FROM api_keys WHERE id IN (SELECT id FROM ${FORGOTTEN_KEYS} ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)`,
  values: ({ apiKeyRevocation }) => unlessKept(apiKeyRevocation),
};

const ENDED_LOGINS = 'login_sessions WHERE expires_at <= $1';

/** Logins whose newest token has expired. */
export const LOGINS_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${ENDED_LOGINS}`,
  sweep: `DELETE FROM login_sessions WHERE id IN (SELECT id FROM ${ENDED_LOGINS} ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)`,
  values: ({ now }) => [now],
};

const timesOf = ({ tasks }: Limits): (Date | null)[] => ENDED_STATUSES.map((status) => tasks[status]);

/** When tasks that go now were submitted, at the latest, if they ended in whatever way goes first. */
const firstToGo = (limits: Limits): Date | null => {
  const times = timesOf(limits).flatMap((limit) => limit?.getTime() ?? []);
  return times.length > 0 ? new Date(Math.max(...times)) : null;
};

// The id of a clock gone astray says nothing of a task's age; created_at comes from PostgreSQL's clock. With null instead of a
// limit, nothing is old.
const STRAY_TASKS = `tasks_default WHERE finished_at IS NOT NULL
  AND created_at <= CASE status ${ENDED_STATUSES.map((status, i) => `WHEN '${status}' THEN $${i + 1}::timestamptz`).join(' ')} END`;

/**
 * Tasks of the default partition, with their rows of the other daily tables and their dead letters in the same statement.
 *
 * @param daily see `findDailyTables`
 */
export const strayTasksToDelete = (daily: readonly { name: string; key: string }[]): ExpiredRows => ({
  count: `SELECT count(*) FROM ${STRAY_TASKS}`,
  take: `SELECT id FROM ${STRAY_TASKS} ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED`,
  sweep: `WITH old AS (SELECT unnest($1::uuid[]) AS id)
      ${[{ name: 'dead_letters', key: 'task_id' }, ...daily.filter(({ name }) => name !== 'tasks')]
        .map(({ name, key }) => `, of_${name} AS (DELETE FROM ${name} d USING old WHERE d.${key} = old.id)`)
        .join('\n      ')}
    DELETE FROM tasks t USING old WHERE t.id = old.id`,
  values: (limits) => (timesOf(limits).some((limit) => limit !== null) ? timesOf(limits) : undefined),
});

// The id of a task begins with its time, which finds the old ones by the primary key.
const ORPHANED_LETTERS =
  'dead_letters d WHERE task_id < taskflow_first_id($1) AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = d.task_id)';

/** Entries of failed tasks that went with their day. */
export const DEAD_LETTERS_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${ORPHANED_LETTERS}`,
  sweep: `DELETE FROM dead_letters WHERE task_id IN
    (SELECT task_id FROM ${ORPHANED_LETTERS} ORDER BY task_id LIMIT $2 FOR UPDATE OF d SKIP LOCKED)`,
  values: ({ tasks }) => unlessKept(tasks.FAILED),
};

const ORPHANED_KEYS =
  'idempotency_keys k WHERE created_at <= $1 AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = k.task_id)';

/** Idempotency keys of tasks that are gone. */
export const ORPHANED_KEYS_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${ORPHANED_KEYS}`,
  sweep: `DELETE FROM idempotency_keys WHERE (owner_id, key) IN
    (SELECT owner_id, key FROM ${ORPHANED_KEYS} ORDER BY created_at LIMIT $2 FOR UPDATE OF k SKIP LOCKED)`,
  values: (limits) => unlessKept(firstToGo(limits)),
};

// The id of a flow begins with its time, as those of its tasks do.
const EMPTY_FLOWS =
  'flows f WHERE id < taskflow_first_id($1) AND NOT EXISTS (SELECT 1 FROM flow_tasks t WHERE t.flow_id = f.id)';

/** Flows of whose tasks none is kept any more. */
export const FLOWS_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${EMPTY_FLOWS}`,
  sweep: `DELETE FROM flows WHERE id IN (SELECT id FROM ${EMPTY_FLOWS} ORDER BY id LIMIT $2 FOR UPDATE OF f SKIP LOCKED)`,
  values: (limits) => unlessKept(firstToGo(limits)),
};

/** So many runs of a schedule are kept, and those of the last day. */
const MAX_RUNS = 1_000;

const OLD_RUNS = `schedules s CROSS JOIN LATERAL (SELECT least($1::timestamptz, greatest($2::timestamptz,
      (SELECT due_at FROM schedule_runs n WHERE n.schedule_id = s.id ORDER BY due_at DESC OFFSET ${MAX_RUNS - 1} LIMIT 1))) AS oldest) kept
    JOIN schedule_runs r ON r.schedule_id = s.id AND r.due_at < kept.oldest`;

/** Due times that schedules have made tasks for. One that was deleted takes its own along. */
export const SCHEDULE_RUNS_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${OLD_RUNS}`,
  sweep: `DELETE FROM schedule_runs WHERE (schedule_id, due_at) IN
    (SELECT r.schedule_id, r.due_at FROM ${OLD_RUNS} LIMIT $3 FOR UPDATE OF r SKIP LOCKED)`,
  values: ({ recentRuns, scheduleRuns }) => [recentRuns, scheduleRuns],
};

const OLD_MINUTES = 'queue_minutes WHERE minute <= $1';

export const QUEUE_MINUTES_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${OLD_MINUTES}`,
  sweep: `DELETE FROM queue_minutes WHERE (queue, minute) IN
    (SELECT queue, minute FROM ${OLD_MINUTES} ORDER BY minute LIMIT $2 FOR UPDATE SKIP LOCKED)`,
  values: ({ queueMinutes }) => unlessKept(queueMinutes),
};

// The id of an entry begins with its time, which finds the old ones by the primary key; `at` is exact.
const OLD_ENTRIES = "audit_log WHERE id < taskflow_first_id($1::timestamptz + interval '1 day') AND at <= $1";

export const AUDIT_ENTRIES_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${OLD_ENTRIES}`,
  sweep: `DELETE FROM audit_log WHERE id IN (SELECT id FROM ${OLD_ENTRIES} ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)`,
  values: ({ audit }) => unlessKept(audit),
};

const OLD_OPERATIONS = 'operations WHERE finished_at <= $1';

export const OPERATIONS_TO_DELETE: ExpiredRows = {
  count: `SELECT count(*) FROM ${OLD_OPERATIONS}`,
  sweep: `DELETE FROM operations WHERE id IN (SELECT id FROM ${OLD_OPERATIONS} ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
  values: ({ operations }) => [operations],
};

/** Sweeps batch after batch, each in a transaction of its own. @returns how many rows */
export const sweepRows = async (session: Session, rows: ExpiredRows, limits: Limits): Promise<number> => {
  const values = rows.values(limits);
  if (!values) return 0;
  let total = 0;
  let changed: number;
  do {
    changed = rows.take
      ? await sweepTaken(session, rows.take, rows.sweep, [...values, BATCH])
      : await session.change(rows.sweep, [...values, BATCH]);
    total += changed;
  } while (changed === BATCH);
  return total;
};

const sweepTaken = async (
  session: Session,
  take: string,
  sweep: string,
  values: readonly unknown[],
): Promise<number> => {
  await session.query('BEGIN');
  try {
    const taken = await session.query<{ id: string }>(take, values);
    const changed = await session.change(sweep, [taken.map(({ id }) => id)]);
    await session.query('COMMIT');
    return changed;
  } catch (error) {
    // Nothing to roll back where the connection is gone, or the janitor is told to end: its transaction ends with it.
    await session.query('ROLLBACK').catch(() => {});
    throw error;
  }
};

/** @returns how many rows `sweepRows` would sweep */
export const countRows = async (session: Session, rows: ExpiredRows, limits: Limits): Promise<number> => {
  const values = rows.values(limits);
  if (!values) return 0;
  const [row] = await session.query<{ count: string }>(rows.count, values);
  return Number(row?.count);
};
