import { badInput } from '../errors.ts';
import { newId } from '../ids.ts';
import type { SubmitServices } from '../tasks/submit-tasks.ts';
import { checkTimes } from './cron-times.ts';
import { toNameConflict } from './refusals.ts';
import { type ScheduleInput, toScheduleRow } from './schedule-input.ts';
import { countSchedules, insertSchedule, lockOwner, readClock, type Schedule } from './schedule-store.ts';

/** Of one owner. A thousand that are due at the same instant were served within 0.7 s by one manager on two cores. */
export const MAX_SCHEDULES = 1_000;

/**
 * Makes a schedule. Its first due time is the next one from now on, by PostgreSQL's clock.
 *
 * @throws TaskFlowError BAD_USER_INPUT or PAYLOAD_TOO_LARGE, which names the field; also for more than 1,000 schedules;
 *   CONFLICT when the owner has one of this name
 */
export const createSchedule = async (
  { database, taskRules }: SubmitServices,
  ownerId: string,
  input: ScheduleInput,
): Promise<Schedule> => {
  await taskRules.prepare([input.type]);
  const row = toScheduleRow(ownerId, input, taskRules);
  const nextRunAt = checkTimes(row, await readClock(database));
  try {
    return await database.$transaction(async (transaction) => {
      await lockOwner(transaction, ownerId);
      if ((await countSchedules(transaction, ownerId)) >= MAX_SCHEDULES) {
        throw badInput('input', `You have ${MAX_SCHEDULES} schedules, and cannot have more.`, MAX_SCHEDULES);
      }
      return insertSchedule(transaction, { ...row, id: newId(), ownerId, nextRunAt });
    });
  } catch (error) {
    throw toNameConflict(error, row.name);
  }
};
