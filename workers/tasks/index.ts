import type { Config } from '../../src/config.ts';
import type { TaskDefinition } from '../runtime/define-task.ts';
import { csvProfile } from './csv-profile.ts';
import { echo } from './echo.ts';
import { fail } from './fail.ts';
import { httpRequest } from './http-request.ts';
import { imageThumbnail } from './image-thumbnail.ts';
import { sleep } from './sleep.ts';
import { textStats } from './text-stats.ts';

export interface BuiltInTaskOptions {
  /** The folder that tasks may read files from; empty: none. */
  filesDir: string;
  /** Whom http.request may ask; nobody: then the worker does not have it. Default: nobody. */
  allowedHosts?: readonly string[];
}

/** The task types that every TypeScript worker knows: for first steps and tests, and some that are of use. */
export const builtInTasks = ({ filesDir, allowedHosts = [] }: BuiltInTaskOptions): TaskDefinition[] => [
  echo,
  sleep,
  fail,
  csvProfile(filesDir),
  textStats(filesDir),
  imageThumbnail(filesDir),
  ...(allowedHosts.length > 0 ? [httpRequest(allowedHosts)] : []),
];

/** As the settings say. */
export const configuredTasks = (config: Config): TaskDefinition[] =>
  builtInTasks({ filesDir: config.FILES_DIR, allowedHosts: config.HTTP_ALLOWED_HOSTS });
