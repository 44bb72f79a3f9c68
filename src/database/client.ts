import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Config } from '../config.ts';
import { Prisma, PrismaClient } from './generated/client/client.ts';
import { openPools, type PoolOptions, type Pools } from './pools.ts';

export type Database = PrismaClient;
/** A client, or an open transaction of it. */
export type DatabaseSession = Pick<PrismaClient, '$queryRaw' | '$executeRaw'>;
export { sqlState } from '../sql-state.ts';
export { Prisma };

export interface DatabaseOptions extends PoolOptions {
  /** Whether statements are prepared. Default: true. */
  isPrepared?: boolean;
}

const names = new Map<string, string>();
const MAX_NAMED_STATEMENTS = 500;
const UNNAMED = '';

/**
 * Named statements are prepared once a connection: unnamed ones cost 30 % of the throughput. Beyond 500 different texts
 * (lists of different lengths make new ones) they stay unnamed, so that connections do not collect plans for ever.
 */
const statementName = ({ sql }: { sql: string }): string => {
  let name = names.get(sql);
  if (!name && names.size < MAX_NAMED_STATEMENTS) {
    name = `tf_${createHash('sha1').update(sql).digest('base64url')}`;
    names.set(sql, name);
  }
  return name ?? UNNAMED;
};

interface Opened {
  pools: Pools;
  timeoutMs: number;
  nameOf: typeof statementName;
}

const opened = new WeakMap<DatabaseSession, Opened>();

const openedAs = (database: Database): Opened => {
  const found = opened.get(database);
  if (!found) throw new Error('this database was not opened here');
  return found;
};

/** The connections of a database that `openDatabase` opened. @throws Error for another one */
export const poolsOf = (database: Database): Pools => openedAs(database).pools;

/** How long one of its statements may take, in ms. @throws Error for a database that was not opened here */
export const timeoutOf = (database: Database): number => openedAs(database).timeoutMs;

/**
 * Runs one of the statements that move tasks, with thousands of values. Outside of a transaction it goes straight to the driver:
 * Prisma would write all parameters as JSON and read them again, which took more of this process' CPU than all the rest of sending them.
 *
 * @returns rows with `bigint`s as Prisma gives them, or as texts
 * @throws what the driver throws, or Prisma in a transaction: `sqlState` and `isDatabaseOutage` know both
 */
export const queryDirectly = async <Row extends object>(
  session: DatabaseSession,
  statement: Prisma.Sql,
): Promise<Row[]> => {
  const found = opened.get(session);
  if (!found) return session.$queryRaw<Row[]>(statement);
  const { sql, text, values } = statement;
  const { rows } = await found.pools.direct.query<Row>({ name: found.nameOf({ sql }), text, values });
  return rows;
};

/** Connections are made when they are first needed. The caller calls `$disconnect()`. */
export const openDatabase = (options: DatabaseOptions): Database => {
  const pools = openPools(options);
  const nameOf = options.isPrepared === false ? () => UNNAMED : statementName;
  const adapter = new PrismaPg(pools.general, { disposeExternalPool: true, statementNameGenerator: nameOf });
  // By itself Prisma gives up after 2 s without a free connection, which a burst of transactions can take.
  const transactionOptions = { maxWait: options.timeoutMs, timeout: options.timeoutMs };
  const database = new PrismaClient({ adapter, transactionOptions });
  opened.set(database, { pools, timeoutMs: options.timeoutMs, nameOf });
  return database;
};

/** The database that the settings name. */
export const openConfiguredDatabase = (config: Config): Database =>
  openDatabase({
    url: config.DATABASE_URL,
    poolSize: config.DATABASE_POOL_SIZE,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    isPrepared: config.DATABASE_PREPARED_STATEMENTS,
    isPooled: config.DATABASE_DIRECT_URL !== '',
  });
