import { badInput } from '../errors.ts';
import { type NewTask, type SubmitInput, type TaskRules, toNewTask } from '../tasks/new-task.ts';

/** What tasks of a schedule have in common: what `createTask` takes, but for what is one task's own. */
export interface TaskTemplate {
  type: string;
  payload?: unknown;
  queue: string;
  priority: SubmitInput['priority'];
  maxAttempts: number;
  timeoutMs?: number | null | undefined;
  tags?: readonly string[] | null | undefined;
}

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
  const { type, payload, queue, priority, maxAttempts, timeoutMs, tags, name, ownerId } = schedule;
  const own = (tags ?? []).filter((tag) => tag !== tagOf(name));
  if (own.length > MAX_TAGS) {
    const message = `${path}.tags: at most ${MAX_TAGS}, since each task also has the tag "${tagOf(name)}".`;
    throw badInput(`${path}.tags`, message, MAX_TAGS);
  }
  const input = { type, payload, queue, priority, maxAttempts, timeoutMs, runAt, tags: [...own, tagOf(name)] };
  // Due by PostgreSQL's clock, whatever that of this process says.
  return { ...toNewTask(ownerId, input, path, rules), status: 'QUEUED' };
};
