import type { Database } from '../database/client.ts';
import { noSuchSchedule } from './refusals.ts';
import { deleteScheduleRow, lockSchedule, type Schedule } from './schedule-store.ts';

/**
 * Deletes a schedule. Tasks that it has made stay.
 *
 * @param reach whose schedules may be deleted; undefined for an admin
 * @returns it, as it was
 * @throws TaskFlowError NOT_FOUND
 */
export const deleteSchedule = (database: Database, reach: string | undefined, id: string): Promise<Schedule> =>
  database.$transaction(async (transaction) => {
    const schedule = await lockSchedule(transaction, reach, id);
    if (!schedule) throw noSuchSchedule(id);
    return deleteScheduleRow(transaction, id);
  });
