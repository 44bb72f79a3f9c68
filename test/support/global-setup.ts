import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { applyMigrations } from '../../src/database/migrate.ts';
import { startPostgres } from '../../src/local/postgres.ts';
import { startRedis } from '../../src/local/redis.ts';
import { createDatabase } from './databases.ts';
import { FAST_POSTGRES, FAST_REDIS } from './fast-settings.ts';
import { serverEnv } from './own-redis.ts';
import { FOLDER_PREFIX, sweepAbandonedServers } from './sweep.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The superuser's URL of the shared PostgreSQL. */
    postgresUrl: string;
    /** A migrated database there, which nobody connects to: the others are copies of it. */
    templateDatabase: string;
    redisPort: number;
    redisTopology: 'server' | 'cluster';
    /** Are primaries of the cluster killed during the run? */
    redisFailsOver: boolean;
    /** What processes must know of the shared Redis. */
    redisEnv: Record<string, string>;
  }
}

export const provideDatabase = async (project: TestProject, url: string): Promise<void> => {
  const templateDatabase = 'taskflow_template';
  await applyMigrations(await createDatabase(url, templateDatabase));
  project.provide('postgresUrl', url);
  project.provide('templateDatabase', templateDatabase);
};

/** Starts the one PostgreSQL and the one Redis that all test files share. */
export default async function globalSetup(project: TestProject): Promise<() => Promise<void>> {
  await sweepAbandonedServers();
  const folder = await mkdtemp(FOLDER_PREFIX);
  const [postgres, redis] = await Promise.all([
    startPostgres({ folder: join(folder, 'postgres'), settings: FAST_POSTGRES }),
    startRedis({ folder: join(folder, 'redis'), settings: FAST_REDIS, onInstall: console.log }),
  ]);
  await provideDatabase(project, postgres.url);
  project.provide('redisPort', redis.port);
  project.provide('redisTopology', 'server');
  project.provide('redisFailsOver', false);
  project.provide('redisEnv', serverEnv(redis.port));
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
    await rm(folder, { recursive: true, force: true });
  };
}
