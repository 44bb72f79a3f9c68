import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { Broker } from '../../src/broker/lanes.ts';
import { loadLibrary } from '../../src/broker/library.ts';
import { brokerOptions } from '../../src/broker/open-broker.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { type Database, openDatabase } from '../../src/database/client.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../src/tasks/task-state.ts';
import { createDatabase, dropDatabase } from './databases.ts';
import { ridingOut } from './failovers.ts';
import { serverEnv } from './own-redis.ts';
import type { PgBouncer } from './pgbouncer.ts';
import type { PrivateServer } from './private-servers.ts';

export { createDatabase, dropDatabase, query } from './databases.ts';
export { type PrivateServer, startPrivatePostgres, startPrivateRedis } from './private-servers.ts';
export { spawnCommand, spawnNode, spawnProcess, type TestProcess } from './processes.ts';
export { waitFor } from './wait-for.ts';

export interface SetupOptions {
  /** More settings, by their environment variables: `{ LEASE_MS: '500' }`. */
  settings?: Record<string, string>;
  /** Those that need to know the database. */
  settingsOf?: (databaseUrl: string) => Record<string, string>;
  /** Use this Redis for both lanes, instead of the shared one: a server on 127.0.0.1, or what `env` says of it. */
  redis?: Pick<PrivateServer, 'port'> | { readonly env: Readonly<Record<string, string>> };
  /** Use a database of this PostgreSQL, instead of the shared one. */
  postgres?: PrivateServer;
  /** Processes reach PostgreSQL through it, but for what needs sessions of its own. */
  pgBouncer?: PgBouncer;
}

/** A TaskFlow of the test's own: a migrated database, and a prefix for its keys in Redis. */
export interface TestApp extends AsyncDisposable {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly database: Database;
  /** Both lanes are connected, and the library is loaded. */
  readonly broker: Broker;
  readonly redisPort: number;
  /** The settings as environment variables, for `spawnProcess`. */
  readonly env: Readonly<Record<string, string>>;
  /** Closes the connections and removes the database and the keys; `await using` calls it. */
  close(): Promise<void>;
}

/** Use as `await using app = await setup()`, in a test or, with `close` in afterAll, for a whole file. */
export const setup = async (options: SetupOptions = {}): Promise<TestApp> => {
  const name = `test_${randomBytes(8).toString('hex')}`;
  const serverUrl = options.postgres?.url ?? inject('postgresUrl');
  const redisPort = options.redis && 'port' in options.redis ? options.redis.port : inject('redisPort');
  const redisEnv = options.redis
    ? 'env' in options.redis
      ? options.redis.env
      : serverEnv(redisPort)
    : inject('redisEnv');
  const databaseUrl = await createMigratedDatabase(serverUrl, name, options.postgres !== undefined);
  const pooled = options.pgBouncer ? throughPooler(options.pgBouncer, databaseUrl) : {};
  const env = settingsFor(databaseUrl, redisEnv, name, {
    ...pooled,
    ...options.settingsOf?.(databaseUrl),
    ...options.settings,
  });
  const config = loadConfig(['database', 'secret'], env);
  const database = openDatabase({
    url: databaseUrl,
    poolSize: config.DATABASE_POOL_SIZE,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
  });
  const broker = await openBroker(config);
  const close = async (): Promise<void> => {
    await removeKeys(broker, name);
    broker.close();
    await database.$disconnect();
    // A private PostgreSQL goes with all that is in it, and may be down.
    if (!options.postgres) await dropDatabase(serverUrl, name);
  };
  return { config, databaseUrl, database, broker, redisPort, env, close, [Symbol.asyncDispose]: close };
};

/** Copying the migrated template takes 30 ms; a private server has none, and migrating takes 300 ms. */
const createMigratedDatabase = async (serverUrl: string, name: string, isPrivate: boolean): Promise<string> => {
  if (!isPrivate) return createDatabase(serverUrl, name, inject('templateDatabase'));
  const url = await createDatabase(serverUrl, name);
  await applyMigrations(url);
  return url;
};

const throughPooler = (pgBouncer: PgBouncer, databaseUrl: string): Record<string, string> => ({
  DATABASE_URL: pgBouncer.through(databaseUrl),
  DATABASE_DIRECT_URL: databaseUrl,
  DATABASE_PREPARED_STATEMENTS: 'false',
});

const settingsFor = (
  databaseUrl: string,
  redisEnv: Readonly<Record<string, string>>,
  prefix: string,
  more: Record<string, string>,
): Record<string, string> => ({
  DATABASE_URL: databaseUrl,
  DATABASE_POOL_SIZE: '5',
  ...redisEnv,
  REDIS_KEY_PREFIX: prefix,
  HOST: '127.0.0.1',
  PORT: '0',
  SECRET_KEY: 'a-secret-of-the-tests-that-is-long-enough',
  // All tests come from one address. Those of limits set their own.
  RATE_LIMIT_PER_HOUR: '0',
  USER_RATE_LIMIT_PER_HOUR: '0',
  USER_SOCKET_READS_PER_HOUR: '0',
  MAX_FAILED_ATTEMPTS: '1000000',
  MAX_REQUEST_BYTES: '33554432',
  GRAPHIQL: 'true',
  INTROSPECTION: 'true',
  ...more,
});

const openBroker = async (config: Config): Promise<Broker> => {
  // Commands fail by themselves while a test has its Redis down.
  const broker = new Broker(brokerOptions(config), () => {});
  await broker.ready();
  for (const { redis } of broker.shards)
    await ridingOut(() => loadLibrary(redis, { moves: LEGAL_MOVES, live: LIVE_STATUSES }));
  return broker;
};

/** Leaves a shared Redis as it was, so that a run of many files does not slow down its last ones. */
const removeKeys = async (broker: Broker, prefix: string): Promise<void> => {
  for (const { redis } of broker.shards) {
    if (redis.status !== 'ready') continue;
    const keys = (await ridingOut(() => Promise.all([redis.keys(`{${prefix}:*`), redis.keys(`${prefix}:*`)]))).flat();
    // One by one: in a cluster, those of two slots do not go together.
    await Promise.all(keys.map((key) => redis.unlink(key).catch(() => undefined)));
  }
};
