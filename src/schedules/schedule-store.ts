import { plainArray } from '../database/arrays.ts';
import { type Database, type DatabaseSession, Prisma } from '../database/client.ts';
import type { MissedRuns, Schedule } from '../database/generated/client/client.ts';
import type { PageSpan } from '../tasks/page.ts';

export type { MissedRuns, Schedule };
export type Transaction = Prisma.TransactionClient;

/** What its owner decides. `payload` is JSON text. */
export interface ScheduleRow {
  name: string;
  cron: string;
  timeZone: string;
  missedRuns: MissedRuns;
  type: string;
  queue: string;
  payload: string;
  priority: Schedule['priority'];
  maxAttempts: number;
  timeoutMs: number | null;
  /** As `encodeBackoff` writes it. */
  backoff: string | null;
  tags: readonly string[];
}

/** For PostgreSQL's clock, which all schedules go by: those of api nodes and managers may differ. */
export const readClock = async (session: DatabaseSession): Promise<Date> => {
  const [row] = await session.$queryRaw<[{ now: Date }]>`SELECT clock_timestamp()::timestamptz(3) AS now`;
  return row.now;
};

/** Others who want to make schedules of this owner wait until the transaction ends, so that they can be counted. */
export const lockOwner = async (session: DatabaseSession, ownerId: string): Promise<void> => {
  await session.$queryRaw`SELECT id FROM users WHERE id = ${ownerId}::uuid FOR NO KEY UPDATE`;
};

const toColumns = ({ payload, tags, ...row }: ScheduleRow) => ({
  ...row,
  payload: toJsonColumn(JSON.parse(payload)),
  tags: [...tags],
});

const toJsonColumn = (value: Prisma.InputJsonValue | null) => value ?? Prisma.JsonNull;

/** @throws a unique violation when the owner has another schedule of this name */
export const insertSchedule = (
  transaction: Transaction,
  row: ScheduleRow & { id: string; ownerId: string; nextRunAt: Date },
): Promise<Schedule> => {
  const { id, ownerId, nextRunAt, ...rest } = row;
  return transaction.schedule.create({ data: { id, ownerId, nextRunAt, ...toColumns(rest) } });
};

export const countSchedules = (transaction: Transaction, ownerId: string): Promise<number> =>
  transaction.schedule.count({ where: { ownerId } });

/** @param ownerId whose it must be; undefined for an admin */
export const findScheduleRow = (
  database: Database | Transaction,
  ownerId: string | undefined,
  id: string,
): Promise<Schedule | null> =>
  database.schedule.findUnique({ where: ownerId === undefined ? { id } : { id, ownerId } });

/** As `findScheduleRow`; managers leave the schedule alone, and other changes of it wait, until the transaction ends. */
export const lockSchedule = async (
  transaction: Transaction,
  ownerId: string | undefined,
  id: string,
): Promise<Schedule | null> => {
  await transaction.$queryRaw`SELECT id FROM schedules WHERE id = ${id}::uuid FOR UPDATE`;
  return findScheduleRow(transaction, ownerId, id);
};

/**
 * @param change its next due time, and when its owner changed it
 * @throws a unique violation when the owner has another schedule of this name
 */
export const updateScheduleRow = (
  transaction: Transaction,
  id: string,
  row: ScheduleRow,
  { nextRunAt, at }: { nextRunAt: Date | null; at: Date },
): Promise<Schedule> =>
  transaction.schedule.update({ where: { id }, data: { ...toColumns(row), nextRunAt, updatedAt: at } });

export const setPaused = (
  transaction: Transaction,
  id: string,
  { isPaused, nextRunAt, at }: { isPaused: boolean; nextRunAt: Date | null; at: Date },
): Promise<Schedule> => transaction.schedule.update({ where: { id }, data: { isPaused, nextRunAt, updatedAt: at } });

export const deleteScheduleRow = (transaction: Transaction, id: string): Promise<Schedule> =>
  transaction.schedule.delete({ where: { id } });

export const findSchedulePage = (
  database: Database,
  ownerId: string | undefined,
  { after, before, isBackward, limit }: PageSpan,
): Promise<Schedule[]> =>
  database.schedule.findMany({
    where: {
      ...(ownerId !== undefined && { ownerId }),
      id: { ...(after !== undefined && { lt: after }), ...(before !== undefined && { gt: before }) },
    },
    orderBy: { id: isBackward ? 'asc' : 'desc' },
    take: limit,
  });

/** In how many ms the next schedule is due, by PostgreSQL's clock; not positive when one is due now, null when none will be. */
export const msUntilDue = async (session: DatabaseSession): Promise<number | null> => {
  const [row] = await session.$queryRaw<[{ ms: number | null }]>`
    SELECT (extract(epoch FROM min(next_run_at) - clock_timestamp()) * 1000)::float8 AS ms FROM schedules`;
  return row.ms;
};

/**
 * Claims schedules that are due, those that wait longest first, for the rest of the transaction. Those that another one
 * holds are left out.
 *
 * @param ids only these. Default: any
 * @returns them, and the time by which they were found to be due
 */
export const claimDue = async (
  transaction: Transaction,
  limit: number,
  ids?: readonly string[],
): Promise<{ schedules: Schedule[]; now: Date }> => {
  const which = ids ? Prisma.sql`AND id = ANY(${[...ids]}::uuid[])` : Prisma.empty;
  const rows = await transaction.$queryRaw<{ id: string; now: Date }[]>`
    SELECT id, now()::timestamptz(3) AS now FROM schedules WHERE next_run_at <= now() ${which}
    ORDER BY next_run_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`;
  const [first] = rows;
  if (!first) return { schedules: [], now: new Date() };
  const schedules = await transaction.schedule.findMany({ where: { id: { in: rows.map(({ id }) => id) } } });
  return { schedules, now: first.now };
};

/** One due time, and the task that is to be made for it. */
export interface Run {
  scheduleId: string;
  dueAt: Date;
  taskId: string;
}

/**
 * Notes runs. They are kept for at least a day (a due time could come again if PostgreSQL's clock were set back); the janitor
 * deletes old ones.
 *
 * @returns the ids of the tasks whose due times were not served before
 */
export const insertRuns = async (session: DatabaseSession, runs: readonly Run[]): Promise<Set<string>> => {
  const rows = await session.$queryRaw<{ task_id: string }[]>`
    INSERT INTO schedule_runs (schedule_id, due_at, task_id)
    SELECT * FROM unnest(${plainArray(runs, (run) => run.scheduleId)}::uuid[], ${plainArray(runs, (run) => run.dueAt.toISOString())}::timestamptz[],
      ${plainArray(runs, (run) => run.taskId)}::uuid[])
    ON CONFLICT DO NOTHING RETURNING task_id`;
  return new Set(rows.map(({ task_id }) => task_id));
};

/** Which runs of a schedule are asked for: those due before `before`, the newest first. */
export interface RunSpan {
  scheduleId: string;
  before: Date | undefined;
  limit: number;
}

/** @returns the runs of each span, in one query */
export const findRuns = async (session: DatabaseSession, spans: readonly RunSpan[]): Promise<Run[][]> => {
  const rows = await session.$queryRaw<(Run & { span: number })[]>`
    SELECT s.span::int, r.schedule_id AS "scheduleId", r.due_at AS "dueAt", r.task_id AS "taskId"
    FROM unnest(${plainArray(spans, (span) => span.scheduleId)}::uuid[], ${plainArray(spans, (span) => span.before?.toISOString() ?? null)}::timestamptz[],
      ${plainArray(spans, (span) => span.limit)}::int[]) WITH ORDINALITY AS s(schedule_id, before, most, span)
    CROSS JOIN LATERAL (SELECT * FROM schedule_runs r
      WHERE r.schedule_id = s.schedule_id AND r.due_at < coalesce(s.before, 'infinity')
      ORDER BY r.due_at DESC LIMIT s.most) r
    ORDER BY s.span, r.due_at DESC`;
  const bySpan = Map.groupBy(rows, ({ span }) => span);
  return spans.map((_, i) => (bySpan.get(i + 1) ?? []).map(({ span: _span, ...run }) => run));
};

/** What a round leaves behind of one schedule. */
export interface Advance {
  id: string;
  nextRunAt: Date | null;
  /** The last task that was made; null for none, and then the one before stays. */
  lastTaskId: string | null;
  lastError: string | null;
}

export const advanceSchedules = async (session: DatabaseSession, advances: readonly Advance[]): Promise<void> => {
  const list = JSON.stringify(advances);
  await session.$executeRaw`
    UPDATE schedules s SET next_run_at = a."nextRunAt", last_error = a."lastError",
      last_task_id = coalesce(a."lastTaskId", s.last_task_id),
      last_run_at = CASE WHEN a."lastTaskId" IS NULL THEN s.last_run_at ELSE now() END
    FROM json_to_recordset(${list}::json) AS a(id uuid, "nextRunAt" timestamptz, "lastTaskId" uuid, "lastError" text)
    WHERE s.id = a.id`;
};

/** Notes a task that was made out of turn. */
export const noteRun = async (session: DatabaseSession, id: string, taskId: string): Promise<void> => {
  await session.$executeRaw`
    UPDATE schedules SET last_run_at = now(), last_task_id = ${taskId}::uuid, last_error = NULL WHERE id = ${id}::uuid`;
};
