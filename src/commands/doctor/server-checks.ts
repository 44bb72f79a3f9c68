import type { Redis } from 'ioredis';
import type { Lane } from '../../broker/lanes.ts';
import type { Config } from '../../config.ts';
import type { Database } from '../../database/client.ts';
import type { Logger } from '../../logger.ts';
import { plain } from '../text.ts';
import { compareClock, type Finding, fault, ok, warning } from './finding.ts';

/** The oldest with what TaskFlow uses: PostgreSQL as it is tested, Redis with Functions. */
const MIN_POSTGRESQL = 14;
const MIN_REDIS = 7;

/** What the settings of this machine lead to: PostgreSQL with its migrations, and Redis. */
export const checkServers = async (config: Config): Promise<Finding[]> => {
  const { createLogger } = await import('../../logger.ts');
  const logger = createLogger('silent', 'doctor');
  const [database, redis] = await Promise.all([checkDatabase(config), checkBroker(config, logger)]);
  return [...database, ...redis];
};

const checkDatabase = async (config: Config): Promise<Finding[]> => {
  const { connect } = await import('../../database/connect.ts');
  try {
    // Prisma says less about why it cannot connect.
    await (await connect(config.DATABASE_URL, 'taskflow doctor')).end();
  } catch (error) {
    return [fault('PostgreSQL', (error as Error).message, 'Look whether it runs, and at DATABASE_URL.')];
  }
  const { openConfiguredDatabase } = await import('../../database/client.ts');
  const database = openConfiguredDatabase(config);
  try {
    return await askDatabase(database);
  } finally {
    await database.$disconnect();
  }
};

const askDatabase = async (database: Database): Promise<Finding[]> => {
  const { findMissingMigrations } = await import('../../database/missing-migrations.ts');
  const before = Date.now();
  const [row] = await database.$queryRaw<{ version: number; at: Date }[]>`
    SELECT current_setting('server_version_num')::int / 10000 AS version, clock_timestamp() AS at`;
  const after = Date.now();
  const version = row?.version ?? 0;
  const missing = await findMissingMigrations(database);
  return [
    version >= MIN_POSTGRESQL
      ? ok('PostgreSQL', `version ${version}`)
      : fault('PostgreSQL', `version ${version} is too old`, `Use ${MIN_POSTGRESQL} or newer.`),
    ...(row ? [compareClock('PostgreSQL', row.at.getTime(), before, after)] : []),
    missing.length === 0
      ? ok('migrations', 'all are applied')
      : fault('migrations', `not applied: ${missing.join(', ')}`, 'Run `taskflow migrate`.'),
  ];
};

const checkBroker = async (config: Config, logger: Logger): Promise<Finding[]> => {
  const { openBroker } = await import('../../broker/open-broker.ts');
  const broker = openBroker(config, logger);
  try {
    return (await Promise.all(broker.lanes.map((lane) => checkLane(lane, config.REDIS_TIMEOUT_MS)))).flat();
  } finally {
    broker.close();
  }
};

const checkLane = async ({ name, redis }: Lane, timeoutMs: number): Promise<Finding[]> => {
  const title = `Redis, ${name} lane`;
  const setting = name.toUpperCase();
  try {
    await isReady(redis, timeoutMs);
    return await askRedis(title, redis);
  } catch (error) {
    const advice = `Look whether it runs, and at REDIS_HOST_${setting}, REDIS_PORT_${setting} and REDIS_PASSWORD_${setting}.`;
    return [fault(title, plain((error as Error).message), advice)];
  }
};

const isReady = (redis: Redis, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    if (redis.status === 'ready') return resolve();
    const timer = setTimeout(() => reject(new Error('no connection in time')), timeoutMs);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
    redis.once('error', (error: Error) => {
      clearTimeout(timer);
      reject(error);
    });
  });

const askRedis = async (title: string, redis: Redis): Promise<Finding[]> => {
  const before = Date.now();
  const [seconds] = await redis.time();
  const after = Date.now();
  const info = await redis.info();
  const field = (name: string): string => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
  const version = field('redis_version');
  const library = (await redis.function('LIST', 'LIBRARYNAME', 'taskflow1')) as unknown[];
  const policy = field('maxmemory_policy');
  return [
    Number.parseInt(version, 10) >= MIN_REDIS
      ? ok(title, `version ${version}`)
      : fault(title, `version ${version} has no Functions`, `Use ${MIN_REDIS} or newer.`),
    compareClock(title, Number(seconds) * 1_000, before, after, 1_000),
    library.length > 0
      ? ok(`functions of ${title}`, 'are loaded')
      : fault(`functions of ${title}`, 'are not loaded', 'A manager loads them: start `taskflow manager`.'),
    policy === 'noeviction' || policy === ''
      ? ok(`memory of ${title}`, 'nothing is evicted')
      : fault(`memory of ${title}`, `keys are evicted (${policy})`, 'Set `maxmemory-policy noeviction`.'),
    field('aof_enabled') === '1'
      ? ok(`disk of ${title}`, 'changes are appended to a file')
      : warning(
          `disk of ${title}`,
          'nothing is kept over a restart; the managers will put every task back',
          'Set `appendonly yes`.',
        ),
  ];
};
