import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { startPostgres } from '../src/local/postgres.ts';
import { startRedis } from '../src/local/redis.ts';

/** A PostgreSQL (fsync on) and a Redis (appendfsync everysec) of their own, empty. */
export interface Servers extends AsyncDisposable {
  readonly redisPort: number;
  readonly databaseUrl: string;
}

export const startServers = async (): Promise<Servers> => {
  const folder = mkdtempSync(join(tmpdir(), 'taskflow-bench-'));
  const postgres = await startPostgres({ folder: join(folder, 'postgres') });
  const redis = await startRedis({ folder: join(folder, 'redis') });
  return {
    redisPort: redis.port,
    databaseUrl: postgres.url,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([postgres.stop(), redis.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** "PostgreSQL 18.0, Redis 7.0.15", with the settings that matter. */
export const describeServers = async ({ databaseUrl, redisPort }: Servers): Promise<string> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string; fsync: string; commit: string }>(
      "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit",
    );
    const [row] = rows;
    return `PostgreSQL ${row?.version} (fsync ${row?.fsync}, synchronous_commit ${row?.commit}), ${await describeRedis(redisPort)}`;
  } finally {
    await client.end();
  }
};

const describeRedis = async (port: number): Promise<string> => {
  const redis = new Redis({ port });
  try {
    const [, version = ''] = /^redis_version:(\S+)/m.exec(await redis.info('server')) ?? [];
    const [, fsync = ''] = (await redis.config('GET', 'appendfsync')) as string[];
    const [, aof = ''] = (await redis.config('GET', 'appendonly')) as string[];
    return `Redis ${version} (appendonly ${aof}, appendfsync ${fsync})`;
  } finally {
    redis.disconnect();
  }
};
