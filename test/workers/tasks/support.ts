import type { TaskDefinition } from '../../../workers/runtime/define-task.ts';
import { type RunTaskOptions, runTask as run } from '../../../workers/sdk/testing.ts';

/** Runs a task's handler as a worker does, without a worker. @returns its result */
export const runTask = async (
  task: TaskDefinition | undefined,
  payload: unknown,
  options: RunTaskOptions = {},
): Promise<unknown> => {
  if (!task) throw new Error('there is no such task');
  return (await run(task, payload, options)).result;
};
