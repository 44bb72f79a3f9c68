import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import { isDatabaseOutage } from '../outages.ts';
import { type NewTask, refuseDraining, type TaskRules } from '../tasks/new-task.ts';
import type { TaskWriter } from '../tasks/task-writer.ts';
import { type Plan, type PlannedSchedule, planRuns } from './plan-runs.ts';
import { type Advance, advanceSchedules, claimDue, insertRuns, type Run, type Schedule } from './schedule-store.ts';
import { toTaskOf } from './schedule-task.ts';

export { msUntilDue } from './schedule-store.ts';

export interface FireServices {
  database: Database;
  taskWriter: TaskWriter;
  /** Its `prepare` brings what is known of all types up to date. */
  taskRules: TaskRules;
  logger: Logger;
}

/** Schedules in one transaction: with payloads of the largest size, and five late runs each, still 64 MiB. */
const BATCH = 50;

interface FireOptions {
  /** Only these. Default: any, up to 50. */
  ids?: readonly string[];
  /** Why no tasks shall be made. Default: they shall. */
  refusal?: string;
}

/**
 * Makes the tasks of schedules that are due, and moves those on to their next due times, in one transaction. Any number of
 * managers may call this at once: each due time is served once.
 *
 * A schedule whose task is refused keeps the reason as its lastError, and goes on.
 *
 * @returns how many schedules were served; none when no other was left over
 * @throws what Prisma throws when PostgreSQL cannot be reached; then nothing has changed
 */
export const fireSchedules = async (services: FireServices): Promise<number> => {
  await services.taskRules.prepare([]);
  const claimed: string[] = [];
  try {
    return await fire(services, claimed, {});
  } catch (error) {
    if (isDatabaseOutage(error) || claimed.length === 0) throw error;
    // One schedule's fault must not be the others': each is tried alone.
    for (const id of claimed) await fireAlone(services, id);
    return claimed.length;
  }
};

const fireAlone = async (services: FireServices, id: string): Promise<void> => {
  try {
    await fire(services, [], { ids: [id] });
  } catch (error) {
    if (isDatabaseOutage(error)) throw error;
    services.logger.error({ err: error, schedule: id }, 'could not write the task of a schedule');
    await fire(services, [], { ids: [id], refusal: 'The task could not be written.' });
  }
};

/** @param claimed where the ids are noted, for the case that it fails */
const fire = async (services: FireServices, claimed: string[], options: FireOptions): Promise<number> => {
  const { database, taskWriter, taskRules, logger } = services;
  const epochs = taskWriter.knownEpochs();
  const { rounds, afterCommit } = await database.$transaction(async (transaction) => {
    const { schedules, now } = await claimDue(transaction, BATCH, options.ids);
    claimed.push(...schedules.map(({ id }) => id));
    const planned = schedules.map((schedule) => planRound(schedule, now, taskRules, options.refusal));
    const isNew = await insertRuns(transaction, planned.flatMap(toRuns));
    const rounds = planned.map((round) => ({ ...round, tasks: round.tasks.filter(({ id }) => isNew.has(id)) }));
    await advanceSchedules(transaction, rounds.map(toAdvance));
    const tasks = rounds.flatMap((round) => round.tasks);
    // Last, since it locks the feeds of the owners.
    const written = tasks.length > 0 ? await taskWriter.writeWithin(transaction, tasks, epochs) : undefined;
    return { rounds, afterCommit: written?.afterCommit };
  });
  afterCommit?.();
  for (const { schedule, lastError } of rounds) {
    if (lastError === null || lastError === schedule.lastError) continue;
    logger.warn({ schedule: schedule.id, reason: lastError }, 'a schedule made no task');
  }
  return rounds.length;
};

/** What becomes of one schedule. */
interface Round {
  schedule: Schedule;
  /** Their `runAt` is the due time that they are made for. */
  tasks: NewTask[];
  nextRunAt: Date | null;
  lastError: string | null;
}

const planRound = (schedule: Schedule, now: Date, rules: TaskRules, refusal: string | undefined): Round => {
  let plan: Plan;
  try {
    plan = planRuns(schedule as PlannedSchedule, now);
  } catch (error) {
    const lastError = `The next due time cannot be found: ${(error as Error).message}`;
    return { schedule, tasks: [], nextRunAt: null, lastError };
  }
  const round = { schedule, tasks: [], nextRunAt: plan.nextRunAt };
  if (plan.dueTimes.length === 0) return { ...round, lastError: schedule.lastError };
  if (refusal !== undefined) return { ...round, lastError: refusal };
  try {
    refuseDraining([schedule], () => 'schedule.queue', rules);
    const tasks = plan.dueTimes.map((dueAt) => toTaskOf(schedule, dueAt, rules));
    return { ...round, tasks, lastError: null };
  } catch (error) {
    if (error instanceof TaskFlowError) return { ...round, lastError: error.message };
    throw error;
  }
};

const toRuns = ({ schedule, tasks }: Round): Run[] =>
  tasks.map((task) => ({ scheduleId: schedule.id, dueAt: task.runAt as Date, taskId: task.id }));

const toAdvance = ({ schedule, tasks, nextRunAt, lastError }: Round): Advance => ({
  id: schedule.id,
  nextRunAt,
  lastTaskId: tasks.at(-1)?.id ?? null,
  lastError,
});
