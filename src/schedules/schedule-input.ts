import { badInput } from '../errors.ts';
import { encodeBackoff } from '../tasks/backoff.ts';
import type { TaskRules } from '../tasks/new-task.ts';
import type { MissedRuns, ScheduleRow } from './schedule-store.ts';
import { type TaskTemplate, toScheduledTask } from './schedule-task.ts';

/** What a client asks for, with defaults filled in. */
export interface ScheduleInput extends TaskTemplate {
  name: string;
  cron: string;
  timeZone: string;
  missedRuns: MissedRuns;
}

/** With "schedule:" before it, it fits into a tag. */
const MAX_NAME_LENGTH = 80;

const checkName = (given: string): string => {
  const name = given.trim();
  if (name === '') throw badInput('input.name', 'input.name must not be empty.');
  if (name.length > MAX_NAME_LENGTH) {
    throw badInput('input.name', `input.name must have at most ${MAX_NAME_LENGTH} characters.`, MAX_NAME_LENGTH);
  }
  if (name.includes('\0') || !name.isWellFormed()) {
    throw badInput('input.name', 'input.name must not contain the character NUL or half of a surrogate pair.');
  }
  return name;
};

/**
 * Checks all but the due times: the name, and the task as if it were submitted.
 *
 * @param rules prepared for the type
 * @throws TaskFlowError BAD_USER_INPUT or PAYLOAD_TOO_LARGE, which names the field
 */
export const toScheduleRow = (ownerId: string, input: ScheduleInput, rules: TaskRules): ScheduleRow => {
  const name = checkName(input.name);
  const task = toScheduledTask({ ...input, ownerId, name }, null, 'input', rules);
  return {
    name,
    cron: input.cron.trim(),
    timeZone: input.timeZone,
    missedRuns: input.missedRuns,
    type: task.type,
    queue: task.queue,
    payload: task.payload,
    priority: task.priority,
    maxAttempts: task.maxAttempts,
    // What was asked for: the defaults of the type are those of the time when a task is made.
    timeoutMs: input.timeoutMs ?? null,
    backoff: input.backoff ? encodeBackoff(input.backoff) : null,
    tags: input.tags ?? [],
  };
};
