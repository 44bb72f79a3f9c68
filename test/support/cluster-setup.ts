import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../src/local/postgres.ts';
import { keepFailingOver } from './failovers.ts';
import { FAST_POSTGRES } from './fast-settings.ts';
import { provideDatabase } from './global-setup.ts';
import { clusterEnv } from './own-redis.ts';
import { startRedisCluster } from './redis-cluster.ts';
import { FOLDER_PREFIX, sweepAbandonedServers } from './sweep.ts';

/**
 * Starts the one PostgreSQL and the one Redis Cluster that the end-to-end tests share when they run on a cluster.
 *
 * @param failsOver whether its primaries are killed meanwhile, one after the other
 */
export const setUpCluster = async (project: TestProject, failsOver: boolean): Promise<() => Promise<void>> => {
  await sweepAbandonedServers();
  const folder = await mkdtemp(FOLDER_PREFIX);
  const [postgres, cluster] = await Promise.all([
    startPostgres({ folder: join(folder, 'postgres'), settings: FAST_POSTGRES }),
    startRedisCluster(),
  ]);
  await provideDatabase(project, postgres.url);
  project.provide('redisTopology', 'cluster');
  project.provide('redisEnv', clusterEnv(cluster.url));
  // Whoever asks for it wants the one server, which there is not.
  project.provide('redisPort', 0);
  project.provide('redisFailsOver', failsOver);
  const failovers = failsOver ? keepFailingOver(cluster, (line) => console.log(line)) : undefined;
  return async () => {
    if ((await failovers?.end()) === 0) throw new Error('no primary was killed during the run');
    await Promise.all([postgres.stop(), cluster[Symbol.asyncDispose]()]);
    await rm(folder, { recursive: true, force: true });
  };
};

export default (project: TestProject) => setUpCluster(project, false);
