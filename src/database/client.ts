import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Config } from '../config.ts';
import { Prisma, PrismaClient } from './generated/client/client.ts';

export type Database = PrismaClient;
/** A client, or an open transaction of it. */
export type DatabaseSession = Pick<PrismaClient, '$queryRaw' | '$executeRaw'>;
export { Prisma };

export interface DatabaseOptions {
  url: string;
  poolSize: number;
  /** For connecting, and for one statement, in ms. */
  timeoutMs: number;
  /** Whether statements are prepared. Default: true. */
  isPrepared?: boolean;
  /** Whether the URL leads to a pooler: then PostgreSQL is not told how long a statement may take. Default: false. */
  isPooled?: boolean;
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

/**
 * Our statements find their rows by indexes. The plan of a prepared one is kept, and one that was made while a table had a page
 * or two would scan it from its beginning also when it has grown, until PostgreSQL analyses it again: up to a minute.
 * Before PostgreSQL 18 a scan that cannot be avoided counts as so dear then that it would be compiled first.
 */
const PLANNER = '-c enable_seqscan=off -c jit=off';

const pools = new WeakMap<PrismaClient, pg.Pool>();

/** The connections of a database that `openDatabase` opened. @throws Error for another one */
export const poolOf = (database: Database): pg.Pool => {
  const pool = pools.get(database);
  if (!pool) throw new Error('this database was not opened here');
  return pool;
};

const timeouts = new WeakMap<PrismaClient, number>();

/** How long one of its statements may take, in ms. @throws Error for a database that was not opened here */
export const timeoutOf = (database: Database): number => {
  const timeoutMs = timeouts.get(database);
  if (timeoutMs === undefined) throw new Error('this database was not opened here');
  return timeoutMs;
};

/** Opens a pool; connections are made when they are first needed. The caller calls `$disconnect()`. */
export const openDatabase = (options: DatabaseOptions): Database => {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    connectionTimeoutMillis: options.timeoutMs,
    // PgBouncer refuses connections that bring settings which it does not know.
    ...(options.isPooled ? {} : { statement_timeout: options.timeoutMs, options: PLANNER }),
    query_timeout: options.timeoutMs + 500,
    keepAlive: true,
  });
  const adapter = new PrismaPg(pool, {
    disposeExternalPool: true,
    statementNameGenerator: options.isPrepared === false ? () => UNNAMED : statementName,
  });
  // By itself Prisma gives up after 2 s without a free connection, which a burst of transactions can take.
  const transactionOptions = { maxWait: options.timeoutMs, timeout: options.timeoutMs };
  const database = new PrismaClient({ adapter, transactionOptions });
  pools.set(database, pool);
  timeouts.set(database, options.timeoutMs);
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

/** SQLSTATE of an error from raw SQL, or undefined where it did not come from PostgreSQL's answer. */
export const sqlState = (error: unknown): string | undefined => {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined;
  const meta = error.meta as { code?: string; driverAdapterError?: { cause?: { originalCode?: string } } } | undefined;
  return meta?.driverAdapterError?.cause?.originalCode ?? meta?.code;
};
