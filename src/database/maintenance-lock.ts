import { setTimeout as delay } from 'node:timers/promises';

/** Held by whoever makes or drops indexes and partitions by hand: the janitor, and `payload-index`. Any number will do. */
const MAINTENANCE_LOCK = 7_426_883_102;
const STEP_MS = 100;

export interface LockOptions {
  /** How long it is asked for: the lock of a process that was killed is free once its last statement ended. Default: for ever. */
  patienceMs?: number;
  signal?: AbortSignal;
}

/**
 * Takes the lock that only one maintenance process has. It asks again and again instead of waiting inside PostgreSQL: a
 * waiting statement would keep the other's CREATE INDEX CONCURRENTLY from ending, and the two would wait for each other.
 *
 * @param query runs a statement in the session that shall have the lock; it ends with the session
 * @returns whether it has the lock
 */
export const takeMaintenanceLock = async (
  query: (sql: string, values: unknown[]) => Promise<{ taken: boolean }[]>,
  { patienceMs = Number.POSITIVE_INFINITY, signal }: LockOptions = {},
): Promise<boolean> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const [row] = await query('SELECT pg_try_advisory_lock($1) AS taken', [MAINTENANCE_LOCK]);
    if (row?.taken) return true;
    if (performance.now() > deadline) return false;
    await delay(STEP_MS, undefined, { signal });
  }
};
