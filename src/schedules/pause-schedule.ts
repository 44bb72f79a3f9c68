import type { Database } from '../database/client.ts';
import { nextDueTime } from './cron-times.ts';
import { noSuchSchedule } from './refusals.ts';
import { lockSchedule, readClock, type Schedule, setPaused } from './schedule-store.ts';

/**
 * Pauses a schedule, or ends its pause. Due times during the pause are never made up. Doing it again changes nothing.
 *
 * @param reach whose schedules may be changed; undefined for an admin
 * @throws TaskFlowError NOT_FOUND
 */
export const pauseSchedule = (
  database: Database,
  reach: string | undefined,
  id: string,
  isPaused: boolean,
): Promise<Schedule> =>
  database.$transaction(async (transaction) => {
    const schedule = await lockSchedule(transaction, reach, id);
    if (!schedule) throw noSuchSchedule(id);
    if (schedule.isPaused === isPaused) return schedule;
    const now = await readClock(transaction);
    return setPaused(transaction, id, { isPaused, nextRunAt: isPaused ? null : nextDueTime(schedule, now), at: now });
  });
