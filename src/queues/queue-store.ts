import type { Database, DatabaseSession } from '../database/client.ts';

/** What ended in a queue over the last 24 hours. */
export interface EndedCounts {
  completed: number;
  failed: number;
}

/**
 * Counts what ended over the last 24 hours, by queue; the minute that began 24 hours ago still counts.
 *
 * @param names only these queues. Default: all in which something ended
 */
export const countEnded = async (
  session: DatabaseSession,
  names?: readonly string[],
): Promise<Map<string, EndedCounts>> => {
  const rows = await session.$queryRaw<{ queue: string; completed: number; failed: number }[]>`
    SELECT queue, sum(completed)::int AS completed, sum(failed)::int AS failed FROM queue_minutes
    WHERE minute >= date_trunc('minute', now() - interval '24 hours') AND (${names === undefined} OR queue = ANY(${[...(names ?? [])]}::text[]))
    GROUP BY queue`;
  return new Map(rows.map(({ queue, completed, failed }) => [queue, { completed, failed }]));
};

/** Has anything ever ended in this queue? */
export const hasEnded = async (session: DatabaseSession, name: string): Promise<boolean> => {
  const rows = await session.$queryRaw<unknown[]>`SELECT 1 FROM queue_minutes WHERE queue = ${name} LIMIT 1`;
  return rows.length > 0;
};

/** What is set about a queue. */
export interface QueueSettings {
  /** Are its tasks held back? */
  isPaused: boolean;
  /** Does it take no new tasks? */
  isDraining: boolean;
}

/**
 * The queues about which something is set: the others are neither paused nor draining.
 *
 * @param names of which queues. Default: all
 */
export const findQueueSettings = async (
  database: Database,
  names?: readonly string[],
): Promise<Map<string, QueueSettings>> => {
  const rows = await database.queue.findMany({
    where: { OR: [{ isPaused: true }, { isDraining: true }], ...(names && { name: { in: [...names] } }) },
  });
  return new Map(rows.map(({ name, isPaused, isDraining }) => [name, { isPaused, isDraining }]));
};

export const findPausedQueues = async (database: Database): Promise<Set<string>> => {
  const rows = await database.queue.findMany({ where: { isPaused: true }, select: { name: true } });
  return new Set(rows.map(({ name }) => name));
};

export const findDrainingQueues = async (database: Database): Promise<Set<string>> => {
  const rows = await database.queue.findMany({ where: { isDraining: true }, select: { name: true } });
  return new Set(rows.map(({ name }) => name));
};

/** Since when a task has been QUEUED, and how long that is by PostgreSQL's clock. */
export interface Queued {
  at: Date;
  ageMs: number;
}

/** Of tasks by their ids; without those that are not QUEUED for PostgreSQL. */
export const readQueued = async (session: DatabaseSession, ids: readonly string[]): Promise<Map<string, Queued>> => {
  if (ids.length === 0) return new Map();
  const sorted = ids.toSorted();
  const rows = await session.$queryRaw<{ task_id: string; at: Date; age_ms: number }[]>`
    SELECT task_id, at, (extract(epoch FROM clock_timestamp() - at) * 1000)::float8 AS age_ms FROM (
      SELECT DISTINCT ON (task_id) task_id, status, at FROM task_events
      WHERE task_id = ANY(${sorted}::uuid[]) AND task_id >= ${sorted[0]}::uuid AND task_id <= ${sorted.at(-1)}::uuid
      ORDER BY task_id, seq DESC
    ) last WHERE status = 'QUEUED'`;
  return new Map(rows.map((row) => [row.task_id, { at: row.at, ageMs: Math.max(0, row.age_ms) }]));
};
