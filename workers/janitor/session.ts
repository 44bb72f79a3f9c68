import type pg from 'pg';
import { connect } from '../../src/database/connect.ts';

/** One statement: an index over a day of tasks takes about a minute for a hundred million. */
const STATEMENT_TIMEOUT = '10min';
/** A backup, say, keeps an index from being finished until it ends. Where others could wait behind it, it is 50 ms. */
const LOCK_TIMEOUT = '30s';

/** The janitor's own connection. Each statement commits by itself, so that a kill at any point leaves whole batches behind. */
export interface Session extends AsyncDisposable {
  query<R extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  /** How many rows a statement changed. */
  change(sql: string, values?: readonly unknown[]): Promise<number>;
}

export interface SessionOptions {
  databaseUrl: string;
  /** Lets PostgreSQL refuse whatever would write. */
  readOnly: boolean;
  /** Cancels the statement that runs; later ones are refused. */
  signal: AbortSignal;
}

/** @throws TaskFlowError UNAVAILABLE when PostgreSQL cannot be reached */
export const openSession = async ({ databaseUrl, readOnly, signal }: SessionOptions): Promise<Session> => {
  signal.throwIfAborted();
  const client = await connect(databaseUrl, 'taskflow janitor');
  const run = async <R extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []) => {
    signal.throwIfAborted();
    return client.query<R>(sql, [...values]);
  };
  const settings = {
    statement_timeout: STATEMENT_TIMEOUT,
    lock_timeout: LOCK_TIMEOUT,
    default_transaction_read_only: String(readOnly),
  };
  for (const [name, value] of Object.entries(settings)) await run('SELECT set_config($1, $2, false)', [name, value]);
  const [backend] = (await run<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
  const cancel = (): void => void cancelBackend(databaseUrl, backend?.pid);
  signal.addEventListener('abort', cancel, { once: true });
  return {
    query: async <R extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]) =>
      (await run<R>(sql, values)).rows,
    change: async (sql, values) => (await run(sql, values)).rowCount ?? 0,
    [Symbol.asyncDispose]: async () => {
      signal.removeEventListener('abort', cancel);
      await client.end();
    },
  };
};

const cancelBackend = async (databaseUrl: string, pid: number | undefined): Promise<void> => {
  try {
    const client = await connect(databaseUrl, 'taskflow janitor');
    await client.query('SELECT pg_cancel_backend($1)', [pid]).finally(() => client.end());
  } catch {
    // PostgreSQL is away, and the statement with it.
  }
};
