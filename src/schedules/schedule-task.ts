import { badInput } from '../errors.ts';
import { decodeBackoff } from '../tasks/backoff.ts';
import { type NewTask, type SubmitInput, type TaskRules, toNewTask } from '../tasks/new-task.ts';
import type { Schedule } from './schedule-store.ts';

/** What tasks of a schedule have in common: what `createTask` takes, but for what is one task's own. */
export type TaskTemplate = Omit<SubmitInput, 'runAt' | 'idempotencyKey'>;

/** One of a task's 20 tags is that of its schedule. */
const MAX_TAGS = 19;

/** The tag of all tasks that a schedule makes. */
export const tagOf = (name: string): string => `schedule:${name}`;

/**
 * A task of a schedule.
 *
 * @param runAt its due time; null when it is made out of turn
 * @param path where the template stands in the request, for errors
 * @throws TaskFlowError BAD_USER_INPUT or PAYLOAD_TOO_LARGE, which names the field
 */
export const toScheduledTask = (
  schedule: TaskTemplate & { ownerId: string; name: string },
  runAt: Date | null,
  path: string,
  rules: TaskRules,
): NewTask => {
  const { type, payload, queue, priority, maxAttempts, timeoutMs, backoff, tags, name, ownerId } = schedule;
  const own = (tags ?? []).filter((tag) => tag !== tagOf(name));
  if (own.length > MAX_TAGS) {
    const message = `${path}.tags: at most ${MAX_TAGS}, since each task also has the tag "${tagOf(name)}".`;
    throw badInput(`${path}.tags`, message, MAX_TAGS);
  }
  const template = { type, payload, queue, priority, maxAttempts, timeoutMs, backoff };
  const task = toNewTask(ownerId, { ...template, runAt, tags: [...own, tagOf(name)] }, path, rules);
  // Due by PostgreSQL's clock, whatever that of this process says.
  return { ...task, status: 'QUEUED' };
};

/** As `toScheduledTask`, of a schedule as it is stored; errors name the field as "schedule.payload". */
export const toTaskOf = (schedule: Schedule, runAt: Date | null, rules: TaskRules): NewTask =>
  toScheduledTask({ ...schedule, backoff: decodeBackoff(schedule.backoff) }, runAt, 'schedule', rules);
