import { auditAdminAction, type Caller } from '../accounts/audit.ts';
import { reachOf } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import { nextDueTime } from './cron-times.ts';
import { noSuchSchedule } from './refusals.ts';
import { lockSchedule, readClock, type Schedule, setPaused } from './schedule-store.ts';

/**
 * Pauses a schedule, or ends its pause. Due times during the pause are never made up. Doing it again changes nothing.
 *
 * @param caller whose it must be, or an admin, whose change is noted in the audit log
 * @throws TaskFlowError NOT_FOUND
 */
export const pauseSchedule = (database: Database, caller: Caller, id: string, isPaused: boolean): Promise<Schedule> =>
  database.$transaction(async (transaction) => {
    const schedule = await lockSchedule(transaction, reachOf(caller.principal), id);
    if (!schedule) throw noSuchSchedule(id);
    if (schedule.isPaused === isPaused) return schedule;
    await auditAdminAction(transaction, caller, isPaused ? 'SCHEDULE_PAUSED' : 'SCHEDULE_RESUMED', schedule);
    const now = await readClock(transaction);
    return setPaused(transaction, id, { isPaused, nextRunAt: isPaused ? null : nextDueTime(schedule, now), at: now });
  });
