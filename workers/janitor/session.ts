import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { connect } from '../../src/database/connect.ts';

/** Held by the janitor that is at work; any number will do, as long as nobody else takes it for something else. */
const JANITOR_LOCK = 7_426_883_102;
/** One statement: an index over a day of tasks takes about a minute for a hundred million. */
const STATEMENT_TIMEOUT = '10min';
/** A backup, say, keeps an index from being finished until it ends. Where others could wait behind it, it is 50 ms. */
const LOCK_TIMEOUT = '30s';
const LOCK_STEP_MS = 100;

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

/**
 * Takes the lock that only one janitor has. It asks again and again instead of waiting inside PostgreSQL: a waiting statement
 * would keep the other janitor's CREATE INDEX CONCURRENTLY from ending, and the two would wait for each other.
 *
 * @param patienceMs how long it is asked for: the lock of a janitor that was killed is free once its last statement ended
 * @returns whether it has the lock; it ends with the session
 */
export const takeJanitorLock = async (session: Session, patienceMs: number, signal: AbortSignal): Promise<boolean> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const [row] = await session.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [JANITOR_LOCK]);
    if (row?.taken) return true;
    if (performance.now() > deadline) return false;
    await delay(LOCK_STEP_MS, undefined, { signal });
  }
};
