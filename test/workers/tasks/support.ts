import pino from 'pino';
import type { TaskContext, TaskDefinition } from '../../../workers/runtime/define-task.ts';
import { validate } from '../../../workers/runtime/executor.ts';

/** Runs a task's handler as a worker does, without a worker. */
export const runTask = async (
  task: TaskDefinition | undefined,
  payload: unknown,
  more: Partial<TaskContext<unknown>> = {},
): Promise<unknown> => {
  if (!task) throw new Error('there is no such task');
  return task.handler({
    payload: validate(task, payload),
    signal: new AbortController().signal,
    taskId: 'task-1',
    attempt: 1,
    maxAttempts: 3,
    ownerId: 'owner',
    queue: 'default',
    parents: {},
    logger: pino({ level: 'silent' }),
    progress: () => {},
    log: () => {},
    ...more,
  });
};
