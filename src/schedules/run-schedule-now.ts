import { auditAdminAction, type Caller } from '../accounts/audit.ts';
import { reachOf } from '../accounts/principal.ts';
import { TaskFlowError } from '../errors.ts';
import { findTask, type TaskSummary } from '../tasks/find-tasks.ts';
import { refuseDraining } from '../tasks/new-task.ts';
import type { SubmitServices } from '../tasks/submit-tasks.ts';
import { noSuchSchedule } from './refusals.ts';
import { findScheduleRow, lockSchedule, noteRun } from './schedule-store.ts';
import { toTaskOf } from './schedule-task.ts';

/**
 * Makes a task of a schedule at once, out of turn: its due times stay as they are. It works for a paused one, too.
 *
 * @param caller whose it must be, or an admin, which is noted in the audit log. The task is the schedule's owner's
 * @throws TaskFlowError NOT_FOUND; BAD_USER_INPUT when the payload does not fit its type any more; CONFLICT when the queue is
 *   draining
 */
export const runScheduleNow = async (
  { database, taskWriter, taskRules }: SubmitServices,
  caller: Caller,
  id: string,
): Promise<TaskSummary> => {
  const reach = reachOf(caller.principal);
  const known = await findScheduleRow(database, reach, id);
  if (!known) throw noSuchSchedule(id);
  await taskRules.prepare([known.type]);
  const epochs = taskWriter.knownEpochs();
  const { taskId, afterCommit } = await database.$transaction(async (transaction) => {
    const schedule = await lockSchedule(transaction, reach, id);
    if (!schedule) throw noSuchSchedule(id);
    refuseDraining([schedule], () => 'schedule.queue', taskRules);
    const task = toTaskOf(schedule, null, taskRules);
    await auditAdminAction(transaction, caller, 'SCHEDULE_RUN', schedule);
    await noteRun(transaction, id, task.id);
    const written = await taskWriter.writeWithin(transaction, [task], epochs);
    return { taskId: task.id, afterCommit: written.afterCommit };
  });
  afterCommit();
  const task = await findTask(database, undefined, taskId, []);
  if (!task) throw new TaskFlowError('NOT_FOUND', `The task ${taskId} is no longer kept.`);
  return task;
};
