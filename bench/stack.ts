import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import type { Broker } from '../src/broker/lanes.ts';
import { openBroker } from '../src/broker/open-broker.ts';
import { type Config, loadConfig } from '../src/config.ts';
import { type Database, openConfiguredDatabase } from '../src/database/client.ts';
import { applyMigrations } from '../src/database/migrate.ts';
import { freePort } from '../src/local/free-port.ts';
import { startPostgres } from '../src/local/postgres.ts';
import { startRedis } from '../src/local/redis.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** A PostgreSQL (fsync on) and a Redis (appendfsync everysec) of their own, and TaskFlow's processes as they are run. */
export interface BenchStack extends AsyncDisposable {
  config: Config;
  database: Database;
  broker: Broker;
  /** Starts `taskflow <name>` and returns once it has said that it started. */
  start(name: 'api' | 'manager' | 'worker', env?: Record<string, string>): Promise<BenchProcess>;
  /** Makes an owner of tasks, with an empty feed. Returns its id. */
  makeOwner(): Promise<string>;
  /** Waits until PostgreSQL has committed this many transitions of the owner. */
  untilRecorded(ownerId: string, transitions: number): Promise<void>;
}

export interface BenchProcess {
  stop(): Promise<void>;
}

const SETTINGS = {
  LOG_LEVEL: 'info',
  SECRET_KEY: 'a key that signs nothing of any value',
  RATE_LIMIT_PER_HOUR: '0',
  USER_RATE_LIMIT_PER_HOUR: '1000000000',
  MAX_REQUEST_BYTES: '33554432',
};

export const startBenchStack = async (): Promise<BenchStack> => {
  const folder = mkdtempSync(join(tmpdir(), 'taskflow-bench-'));
  const postgres = await startPostgres({ folder: join(folder, 'postgres') });
  const redis = await startRedis({ folder: join(folder, 'redis') });
  await applyMigrations(postgres.url);
  const env = {
    ...SETTINGS,
    DATABASE_URL: postgres.url,
    REDIS_PORT_HIGH: String(redis.port),
    REDIS_PORT_LOW: String(redis.port),
    PORT: String(await freePort()),
  };
  const config = loadConfig(['database', 'secret'], env);
  const database = openConfiguredDatabase(config);
  const broker = openBroker(config, pino({ level: 'error' }));
  await broker.ready();
  const children = new Set<ChildProcess>();
  const stop = async (child: ChildProcess): Promise<void> => {
    if (!children.delete(child)) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await exited;
  };
  return {
    config,
    database,
    broker,
    start: async (name, more = {}) => {
      const child = spawn(process.execPath, [CLI, name], {
        cwd: tmpdir(),
        env: { PATH: process.env.PATH, ...env, ...more },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.add(child);
      await untilStarted(child, name);
      return { stop: () => stop(child) };
    },
    makeOwner: () => makeOwner(database),
    untilRecorded: async (ownerId, transitions) => {
      while ((await recordedOf(database, ownerId)) < transitions) await delay(10);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...children].map(stop));
      broker.close();
      await database.$disconnect();
      await Promise.all([postgres.stop(), redis.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const untilStarted = (child: ChildProcess, name: string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.includes('"msg":"started"')) resolve();
    });
    child.once('exit', () => reject(new Error(`the ${name} did not start`)));
  });

const makeOwner = async (database: Database): Promise<string> => {
  const id = uuidv7();
  const name = `bench-${randomUUID()}`;
  await database.user.create({ data: { id, email: `${name}@example.com`, username: name, passwordHash: 'none' } });
  await database.ownerFeed.create({ data: { ownerId: id } });
  return id;
};

const recordedOf = async (database: Database, ownerId: string): Promise<number> => {
  const feed = await database.ownerFeed.findUnique({ where: { ownerId } });
  return Number(feed?.position ?? 0);
};
