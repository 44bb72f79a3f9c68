import type { TaskDefinition } from '../runtime/define-task.ts';
import { csvProfile } from './csv-profile.ts';
import { echo } from './echo.ts';
import { fail } from './fail.ts';
import { sleep } from './sleep.ts';

export interface BuiltInTaskOptions {
  /** The folder that tasks may read files from; empty: none. */
  filesDir: string;
}

/** The task types that every TypeScript worker knows, for first steps and tests. */
export const builtInTasks = ({ filesDir }: BuiltInTaskOptions): TaskDefinition[] => [
  echo,
  sleep,
  fail,
  csvProfile(filesDir),
];
