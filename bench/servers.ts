import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { startPostgres } from '../src/local/postgres.ts';
import { startRedis } from '../src/local/redis.ts';

/** Where a system finds an empty database and an empty Redis. */
export interface Servers {
  readonly redisPort: number;
  readonly databaseUrl: string;
}

/** A PostgreSQL (fsync on) and a Redis (appendfsync everysec) for all systems of a scenario, one after the other. */
export interface RunningServers extends AsyncDisposable {
  /** Empties Redis, and makes a new database in the place of the last one. */
  fresh(): Promise<Servers>;
}

export const startServers = async (): Promise<RunningServers> => {
  const folder = mkdtempSync(join(tmpdir(), 'taskflow-bench-'));
  const postgres = await startPostgres({ folder: join(folder, 'postgres') });
  const redis = await startRedis({ folder: join(folder, 'redis') });
  let count = 0;
  return {
    fresh: async () => {
      const name = `bench_${++count}`;
      await onServer(postgres.url, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS bench_${count - 1} WITH (FORCE)`);
        await client.query(`CREATE DATABASE ${name}`);
        // What the system before has left to be written shall not be this one's to pay.
        await client.query('CHECKPOINT');
      });
      await onRedis(redis.port, (connection) => connection.flushall());
      const databaseUrl = new URL(postgres.url);
      databaseUrl.pathname = `/${name}`;
      return { redisPort: redis.port, databaseUrl: databaseUrl.href };
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([postgres.stop(), redis.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** "PostgreSQL 18.0, Redis 7.0.15", with the settings that matter. */
export const describeServers = async ({ databaseUrl, redisPort }: Servers): Promise<string> => {
  const postgres = await onServer(databaseUrl, async (client) => {
    const { rows } = await client.query<{ version: string; fsync: string; commit: string }>(
      "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit",
    );
    const [row] = rows;
    return `PostgreSQL ${row?.version} (fsync ${row?.fsync}, synchronous_commit ${row?.commit})`;
  });
  return `${postgres}, ${await onRedis(redisPort, describeRedis)}`;
};

const onServer = async <T>(connectionString: string, use: (client: Client) => Promise<T>): Promise<T> => {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
};

const onRedis = async <T>(port: number, use: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis({ port });
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
};

const describeRedis = async (redis: Redis): Promise<string> => {
  const [, version = ''] = /^redis_version:(\S+)/m.exec(await redis.info('server')) ?? [];
  const [, fsync = ''] = (await redis.config('GET', 'appendfsync')) as string[];
  const [, aof = ''] = (await redis.config('GET', 'appendonly')) as string[];
  return `Redis ${version} (appendonly ${aof}, appendfsync ${fsync})`;
};
