import { auditAdminAction, type Caller } from '../accounts/audit.ts';
import { reachOf } from '../accounts/principal.ts';
import { decodeBackoff } from '../tasks/backoff.ts';
import type { SubmitServices } from '../tasks/submit-tasks.ts';
import { checkTimes } from './cron-times.ts';
import { noSuchSchedule, toNameConflict } from './refusals.ts';
import { type ScheduleInput, toScheduleRow } from './schedule-input.ts';
import { findScheduleRow, lockSchedule, readClock, type Schedule, updateScheduleRow } from './schedule-store.ts';

/** What is undefined stays as it is. */
export type ScheduleChanges = { [Name in keyof ScheduleInput]?: ScheduleInput[Name] | undefined };

/**
 * Changes a schedule. With another expression or time zone, its next due time is the next one from now on; otherwise that
 * stays. Tasks that were made before stay as they are.
 *
 * @param caller whose it must be, or an admin, whose change is noted in the audit log
 * @throws TaskFlowError NOT_FOUND; BAD_USER_INPUT or PAYLOAD_TOO_LARGE, which names the field; CONFLICT when the name is
 *   taken
 */
export const updateSchedule = async (
  { database, taskRules }: SubmitServices,
  caller: Caller,
  id: string,
  changes: ScheduleChanges,
): Promise<Schedule> => {
  const reach = reachOf(caller.principal);
  const known = await findScheduleRow(database, reach, id);
  if (!known) throw noSuchSchedule(id);
  await taskRules.prepare([changes.type ?? known.type]);
  try {
    return await database.$transaction(async (transaction) => {
      const schedule = await lockSchedule(transaction, reach, id);
      if (!schedule) throw noSuchSchedule(id);
      await auditAdminAction(transaction, caller, 'SCHEDULE_UPDATED', schedule);
      const row = toScheduleRow(schedule.ownerId, merge(schedule, changes), taskRules);
      const now = await readClock(transaction);
      const isMoved = row.cron !== schedule.cron || row.timeZone !== schedule.timeZone;
      const dueAt = isMoved ? checkTimes(row, now) : schedule.nextRunAt;
      return updateScheduleRow(transaction, id, row, { nextRunAt: schedule.isPaused ? null : dueAt, at: now });
    });
  } catch (error) {
    throw toNameConflict(error, changes.name ?? known.name);
  }
};

const merge = (schedule: Schedule, changes: ScheduleChanges): ScheduleInput => {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...schedule, backoff: decodeBackoff(schedule.backoff), ...Object.fromEntries(given) };
};
