import DataLoader from 'dataloader';
import { type Database, type DatabaseSession, Prisma, timeoutOf } from '../database/client.ts';
import type { TaskEvent } from '../database/generated/client/client.ts';
import { createLogLoader, type LogLoader } from './task-log-store.ts';
import type { Task } from './task-store.ts';

/** Everything but the large columns, which may hold a megabyte each. */
const SUMMARY = Prisma.sql`id, owner_id AS "ownerId", type, queue, priority::text, status::text, seq, attempt, max_attempts AS "maxAttempts",
  timeout_ms AS "timeoutMs", progress, progress_detail AS "progressDetail", error, worker_id AS "workerId", tags, created_at AS "createdAt", run_at AS "runAt",
  started_at AS "startedAt", finished_at AS "finishedAt", backoff, cancel_requested_at AS "cancelRequestedAt",
  cancel_reason AS "cancelReason", submitted_at AS "submittedAt"`;

/** A task's row without its large columns. */
export type TaskRow = Omit<Task, 'payload' | 'result'>;

export interface TaskSpan {
  /** All must hold. */
  conditions: readonly Prisma.Sql[];
  order: 'newest first' | 'oldest first';
  limit: number;
}

/** With the owner among the conditions, the index on the owner and the id gives the rows in order. */
export const findTaskPage = (session: DatabaseSession, { conditions, order, limit }: TaskSpan) => {
  const where = conditions.length === 0 ? Prisma.empty : Prisma.sql`WHERE ${Prisma.join([...conditions], ' AND ')}`;
  const direction = order === 'newest first' ? Prisma.sql`DESC` : Prisma.sql`ASC`;
  return session.$queryRaw<TaskRow[]>`SELECT ${SUMMARY} FROM tasks ${where} ORDER BY id ${direction} LIMIT ${limit}`;
};

/**
 * How PostgreSQL is to plan the search that follows in the same transaction: for the values it is asked with, and by indexes.
 * Left to itself it reads whole partitions, on all cores, when it takes a status or a payload for rare; a search in the order
 * of the page touches its owner's tasks only, and ends with the page. A statement gets nine tenths of its usual time: it shall
 * be PostgreSQL that ends it, and says so, before Prisma ends the transaction.
 */
const planAsSearch = (database: Database) => database.$queryRaw<unknown[]>`
  SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true),
    set_config('statement_timeout', ${String(Math.floor(timeoutOf(database) * 0.9))}, true)`;

/** As `findTaskPage`, with conditions that may fit few of the rows. Costs three more round trips. */
export const searchTaskPage = async (database: Database, span: TaskSpan): Promise<TaskRow[]> => {
  const [, rows] = await database.$transaction([planAsSearch(database), findTaskPage(database, span)]);
  return rows;
};

export const findTaskRows = (session: DatabaseSession, ids: readonly string[]): Promise<TaskRow[]> =>
  session.$queryRaw<TaskRow[]>`SELECT ${SUMMARY} FROM tasks WHERE id = ANY(${[...ids]}::uuid[])`;

/** Events of these tasks up to (and with) a `seq` each, in order. */
export const findEventsUpTo = (session: DatabaseSession, upTo: ReadonlyMap<string, number>): Promise<TaskEvent[]> =>
  session.$queryRaw<TaskEvent[]>`
    SELECT e.task_id AS "taskId", e.seq, e.owner_id AS "ownerId", e.position, e.status::text, e.at, e.attempt, e.worker_id AS "workerId", e.detail
    FROM task_events e JOIN unnest(${[...upTo.keys()]}::uuid[], ${[...upTo.values()]}::int[]) AS u(task_id, seq) ON e.task_id = u.task_id AND e.seq <= u.seq
    WHERE e.task_id = ANY(${[...upTo.keys()]}::uuid[])
    ORDER BY e.task_id, e.seq`;

/** Ids in one query of a loader. */
const MAX_BATCH = 500;
/** Nothing is remembered: what was true for one answer may not be for the next. */
const UNCACHED = { cache: false, maxBatchSize: MAX_BATCH } as const;

/** Reads parts of tasks that are asked for one by one, many in one query. */
export interface TaskLoaders {
  payload: DataLoader<string, Task['payload']>;
  result: DataLoader<string, Task['result']>;
  /** A task without its large parts; null where it is not kept any more. Whose it is, the caller must know. */
  summary: DataLoader<string, TaskRow | null>;
  /** All events of a task, in order. */
  events: DataLoader<string, TaskEvent[]>;
  /** Log lines of a task. */
  logs: LogLoader;
}

export const createTaskLoaders = (database: Database): TaskLoaders => ({
  payload: new DataLoader(async (ids) => {
    const rows = await database.$queryRaw<
      Pick<Task, 'id' | 'payload'>[]
    >`SELECT id, payload FROM tasks WHERE id = ANY(${[...ids]}::uuid[])`;
    const byId = new Map(rows.map(({ id, payload }) => [id, payload]));
    return ids.map((id) => byId.get(id) ?? null);
  }, UNCACHED),
  result: new DataLoader(async (ids) => {
    const rows = await database.$queryRaw<
      Pick<Task, 'id' | 'result'>[]
    >`SELECT id, result FROM tasks WHERE id = ANY(${[...ids]}::uuid[])`;
    const byId = new Map(rows.map(({ id, result }) => [id, result]));
    return ids.map((id) => byId.get(id) ?? null);
  }, UNCACHED),
  summary: new DataLoader(async (ids) => {
    const rows = await findTaskRows(database, ids);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  }, UNCACHED),
  events: new DataLoader(async (ids) => {
    const events = await findEventsUpTo(database, new Map(ids.map((id) => [id, MAX_SEQ])));
    const byTask = Map.groupBy(events, ({ taskId }) => taskId);
    return ids.map((id) => byTask.get(id) ?? []);
  }, UNCACHED),
  logs: createLogLoader(database),
});

const MAX_SEQ = 2 ** 31 - 1;
