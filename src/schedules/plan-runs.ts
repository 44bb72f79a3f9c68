import { nextDueTime } from './cron-times.ts';
import type { Schedule } from './schedule-store.ts';

/**
 * A run that is at most this late, in ms, is on time: restarting the managers, or PostgreSQL going over to its standby, must
 * not skip a daily run. A later one was missed.
 */
export const GRACE_MS = 60_000;
/** Due times of one schedule that are served in one round; the rest follow in the next. */
const MAX_AT_ONCE = 5;

export interface Plan {
  /** For each of them a task is to be made. */
  dueTimes: Date[];
  /** Null when it is never due again. */
  nextRunAt: Date | null;
}

export type PlannedSchedule = Pick<Schedule, 'cron' | 'timeZone' | 'missedRuns'> & { nextRunAt: Date };

/**
 * Which due times of a schedule are to be served now, and which one comes next. Of those that were missed, SKIP serves none
 * and RUN_ONCE serves the first for all of them.
 *
 * @param now by PostgreSQL's clock
 * @throws when the expression or the time zone cannot be read, as after going back to an older release
 */
export const planRuns = (schedule: PlannedSchedule, now: Date): Plan => {
  const dueTimes: Date[] = [];
  const onTimeFrom = new Date(now.getTime() - GRACE_MS);
  let due: Date | null = schedule.nextRunAt;
  if (due < onTimeFrom) {
    if (schedule.missedRuns === 'RUN_ONCE') dueTimes.push(due);
    due = nextDueTime(schedule, onTimeFrom);
  }
  while (due && due <= now && dueTimes.length < MAX_AT_ONCE) {
    dueTimes.push(due);
    due = nextDueTime(schedule, due);
  }
  return { dueTimes, nextRunAt: due };
};
