import type { Database } from '../database/client.ts';
import { type Page, type PageRequest, readPage } from '../tasks/page.ts';
import { checkId } from '../tasks/task-where.ts';
import { dueTimes } from './cron-times.ts';
import { findSchedulePage, findScheduleRow, type Schedule } from './schedule-store.ts';

/** Payloads are read along, of up to 256 KiB each: pages stay small. */
export const SCHEDULE_PAGE = { initial: 50, max: 100 } as const;

/**
 * @param reach whose it must be; undefined for an admin
 * @returns the schedule, or null where there is none within reach
 * @throws TaskFlowError BAD_USER_INPUT when the id is no UUID
 */
export const findSchedule = (database: Database, reach: string | undefined, id: string): Promise<Schedule | null> =>
  findScheduleRow(database, reach, checkId(id));

/**
 * A page of schedules, newest first.
 *
 * @param reach whose; undefined for an admin: everybody's
 * @throws TaskFlowError BAD_USER_INPUT for a page of more than 100, or a malformed cursor
 */
export const findSchedules = (
  database: Database,
  reach: string | undefined,
  page: PageRequest,
): Promise<Page<Schedule>> => readPage(page, SCHEDULE_PAGE, (span) => findSchedulePage(database, reach, span));

/** The next due times, at most `count`, within ten years of the first; none while it is paused. */
export const nextRuns = (schedule: Schedule, count: number): Date[] => {
  const { nextRunAt } = schedule;
  if (!nextRunAt || count === 0) return [];
  return [nextRunAt, ...dueTimes(schedule, nextRunAt, count - 1)];
};
