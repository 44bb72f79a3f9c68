import pg from 'pg';

export interface PoolOptions {
  url: string;
  /** Connections, at most, in all pools together. */
  poolSize: number;
  /** For connecting, and for one statement, in ms. */
  timeoutMs: number;
  /** Whether the URL leads to a pooler: then PostgreSQL is not told how long a statement may take. Default: false. */
  isPooled?: boolean;
  /** Whether statements that move tasks run on it. Default: true. */
  movesTasks?: boolean;
}

export interface Pools {
  general: pg.Pool;
  /** For the statements that move tasks; the general one where that gains nothing, or there are too few connections for two. */
  direct: pg.Pool;
}

/**
 * Our statements find their rows by indexes. The plan of a prepared one is kept, and one that was made while a table had a page
 * or two would scan it from its beginning also when it has grown, until PostgreSQL analyses it again: up to a minute.
 * Before PostgreSQL 18 a scan that cannot be avoided counts as so dear then that it would be compiled first.
 */
const PLANNER = '-c enable_seqscan=off -c jit=off';
/**
 * The statements that move tasks have one plan that is right for all values (docs/decisions/recorder-plan.md). For small batches
 * PostgreSQL would rather plan them anew each time, which took more than half of their 0.5 ms.
 */
const KEPT_PLANS = `${PLANNER} -c plan_cache_mode=force_generic_plan`;

/** A process has two of these statements under way, or one for each shard that it records. */
const DIRECT_CONNECTIONS = 3;
const ENOUGH_FOR_TWO = 2 * DIRECT_CONNECTIONS;

const openPool = ({ url, timeoutMs, isPooled }: PoolOptions, max: number, options: string): pg.Pool => {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: timeoutMs,
    // PgBouncer refuses connections that bring settings which it does not know.
    ...(isPooled ? {} : { statement_timeout: timeoutMs, options }),
    query_timeout: timeoutMs + 500,
    keepAlive: true,
  });
  // The query that a broken connection was for says so. Where there is none, as between a connection's first moment and the first
  // statement of a transaction, nobody else listens, and an error that nobody listens to ends the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  pool.on('error', () => {});
  return pool;
};

/** Opens the pools of a process; connections are made when they are first needed. Ending the general one ends both. */
export const openPools = (options: PoolOptions): Pools => {
  const { isPooled, movesTasks = true, poolSize } = options;
  if (isPooled || !movesTasks || poolSize < ENOUGH_FOR_TWO) {
    const only = openPool(options, poolSize, PLANNER);
    return { general: only, direct: only };
  }
  const general = openPool(options, poolSize - DIRECT_CONNECTIONS, PLANNER);
  const direct = openPool(options, DIRECT_CONNECTIONS, KEPT_PLANS);
  const end = general.end.bind(general);
  general.end = async () => {
    await Promise.all([end(), direct.end()]);
  };
  return { general, direct };
};
