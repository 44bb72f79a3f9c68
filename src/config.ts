import { homedir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { TaskFlowError } from './errors.ts';
import { redisProblems } from './redis-settings.ts';
import { SettingsSchema } from './settings.ts';
import { signingProblems } from './signing-problems.ts';

// The environment is read in this file only.

export type Config = Readonly<z.infer<typeof SettingsSchema>>;

/** Where PostgreSQL gives a session of one's own, for locks and settings: behind a pooler, each statement may meet another one. */
export const directUrl = (config: Pick<Config, 'DATABASE_URL' | 'DATABASE_DIRECT_URL'>): string =>
  config.DATABASE_DIRECT_URL || config.DATABASE_URL;

/** What a kind of process cannot do without. */
export type Need = 'database' | 'secret';

/**
 * Reads the settings and checks them together.
 *
 * @param needs what must be set for this kind of process
 * @param env where they are read from. Default: the environment, after `.env` in the working folder, if there is one
 * @throws TaskFlowError BAD_USER_INPUT that names every setting that is wrong, one a line
 */
export const loadConfig = (needs: readonly Need[] = [], env: NodeJS.ProcessEnv = readEnvironment()): Config => {
  // An empty variable means "not set": compose files and .env files pass them on like that.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = SettingsSchema.safeParse(given);
  const problems = parsed.success
    ? crossChecks(parsed.data, needs)
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  if (!parsed.success || problems.length > 0) throw new TaskFlowError('BAD_USER_INPUT', problems.join('\n'));
  return parsed.data;
};

const crossChecks = (config: Config, needs: readonly Need[]): string[] => {
  const problems: string[] = [];
  if (needs.includes('database') && config.DATABASE_URL === '') {
    problems.push('DATABASE_URL: is not set; say where PostgreSQL is, as postgresql://user:password@host:5432/name');
  }
  if (needs.includes('secret')) problems.push(...signingProblems(config));
  problems.push(...redisProblems(config));
  if (config.WORKER_WATCH && config.WORKER_TASKS === '') {
    problems.push('WORKER_WATCH: needs WORKER_TASKS, the folder to watch');
  }
  if (config.PASSWORD_MEMORY_KIB < 8 * config.PASSWORD_PARALLELISM) {
    problems.push('PASSWORD_MEMORY_KIB: must be at least 8 for each thread of PASSWORD_PARALLELISM');
  }
  return problems;
};

/** The environment, after `.env` in the working folder, if there is one. What it has, `.env` does not change. */
export const readEnvironment = (): NodeJS.ProcessEnv => {
  try {
    process.loadEnvFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return process.env;
};

/** What the commands of the command line take from the environment; docs/command-line.md describes it. */
export interface ClientSettings {
  /** Which API. */
  url: string | undefined;
  apiKey: string | undefined;
  token: string | undefined;
  /** The folder for files of settings. */
  configHome: string;
  /** The folder for what a program remembers between its runs. */
  stateHome: string;
}

/**
 * Reads them from the environment only: a `.env` in the working folder, which may be anybody's, must not say to whom
 * credentials go.
 */
export const readClientSettings = (env: NodeJS.ProcessEnv = process.env): ClientSettings => ({
  url: env.TASKFLOW_URL || undefined,
  apiKey: env.TASKFLOW_API_KEY || undefined,
  token: env.TASKFLOW_TOKEN || undefined,
  configHome: env.XDG_CONFIG_HOME || join(homedir(), '.config'),
  stateHome: env.XDG_STATE_HOME || join(homedir(), '.local', 'state'),
});
