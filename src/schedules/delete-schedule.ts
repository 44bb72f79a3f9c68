import { auditAdminAction, type Caller } from '../accounts/audit.ts';
import { reachOf } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import { noSuchSchedule } from './refusals.ts';
import { deleteScheduleRow, lockSchedule, type Schedule } from './schedule-store.ts';

/**
 * Deletes a schedule. Tasks that it has made stay.
 *
 * @param caller whose it must be, or an admin, whose deletion is noted in the audit log
 * @returns it, as it was
 * @throws TaskFlowError NOT_FOUND
 */
export const deleteSchedule = (database: Database, caller: Caller, id: string): Promise<Schedule> =>
  database.$transaction(async (transaction) => {
    const schedule = await lockSchedule(transaction, reachOf(caller.principal), id);
    if (!schedule) throw noSuchSchedule(id);
    await auditAdminAction(transaction, caller, 'SCHEDULE_DELETED', schedule);
    return deleteScheduleRow(transaction, id);
  });
