import { isLockBusy, whileBusy } from '../../src/database/while-busy.ts';
import type { Session } from './session.ts';

export interface DayOutcome {
  outcome: 'dropped' | 'held' | 'busy';
  /** Tasks that have not ended, where they hold the day. */
  unfinished: number;
}

/** A day that has a partition, and what its janitors have removed from it. */
export interface TaskDay {
  /** "2026-10-24" */
  day: string;
  /** The first instant after it. */
  end: Date;
  /** It was rewritten without the tasks that ended so. */
  without: readonly string[];
}

/** The days that have a partition and ended at `limit` or before, oldest first. */
export const findExpiredDays = async (session: Session, limit: Date): Promise<TaskDay[]> =>
  session.query<{ day: string; end: Date; without: string[] }>(
    `SELECT to_char(day, 'YYYY-MM-DD') AS day, "end", without FROM (
        SELECT day, (day + 1)::timestamp AT TIME ZONE 'UTC' AS "end",
          string_to_array(substr(coalesce(obj_description(oid, 'pg_class'), ''), length('without ') + 1), ' ') AS without
        FROM (SELECT c.oid, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'tasks'::regclass AND c.relname ~ '^tasks_[0-9]{8}$') partitions) days
      WHERE "end" <= $1 ORDER BY day`,
    [limit],
  );

/** The tables that have a partition a day, with the column that holds the task's id. */
export const findDailyTables = async (session: Session): Promise<{ name: string; key: string }[]> =>
  session.query('SELECT name, key FROM taskflow_daily_tables()');

const partitionOf = (day: string): string => `tasks_${day.replaceAll('-', '')}`;

/** How many tasks of a day have not ended. */
export const countUnfinished = async (session: Session, day: string): Promise<number> => {
  const [row] = await session.query<{ count: string }>(
    `SELECT count(*) FROM ${partitionOf(day)} WHERE finished_at IS NULL`,
  );
  return Number(row?.count);
};

/**
 * Drops a day's partitions, unless one of its tasks has not ended.
 *
 * Whether that is so must be known while everybody else is locked out of all tasks. So an index of the unfinished ones is made
 * first, without locking anybody out; reading it takes less than a ms. Where the day stays it serves the next runs, too.
 */
export const dropDay = async (session: Session, day: string, signal: AbortSignal): Promise<DayOutcome> => {
  try {
    await indexUnfinished(session, partitionOf(day));
    if ((await countUnfinished(session, day)) === 0 && (await tryToDrop(session, day, signal)))
      return { outcome: 'dropped', unfinished: 0 };
    return { outcome: 'held', unfinished: await countUnfinished(session, day) };
  } catch (error) {
    if (!isLockBusy(error)) throw error;
    return { outcome: 'busy', unfinished: 0 };
  }
};

const tryToDrop = (session: Session, day: string, signal: AbortSignal): Promise<boolean> =>
  whileBusy(async () => {
    const [row] = await session.query<{ dropped: boolean }>('SELECT taskflow_drop_day($1::date) AS dropped', [day]);
    return row?.dropped === true;
  }, signal);

const indexUnfinished = async (session: Session, partition: string): Promise<void> => {
  const index = `${partition}_unfinished`;
  const [found] = await session.query<{ valid: boolean }>(
    'SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)',
    [index],
  );
  if (found?.valid) return;
  // What a janitor that was killed has left behind.
  if (found) await session.query(`DROP INDEX CONCURRENTLY ${index}`);
  await session.query(`CREATE INDEX CONCURRENTLY ${index} ON ${partition} (id) WHERE finished_at IS NULL`);
};
