import { setTimeout as delay } from 'node:timers/promises';

/** SQLSTATE of a lock that was not free in time. */
const LOCK_NOT_AVAILABLE = '55P03';
const MAX_ATTEMPTS = 60;
/** Between attempts, in ms; longer than an attempt may hold others up, so that they have the tables most of the time. */
const PAUSE_MS = { min: 50, max: 250 };

interface CodedError {
  code?: string;
  /** Prisma's adapter has PostgreSQL's code in here, and Prisma in there. */
  cause?: { originalCode?: string };
  meta?: { driverAdapterError?: { cause?: { originalCode?: string } } };
}

export const isLockBusy = (error: unknown): boolean => {
  const { code, cause, meta } = Object(error) as CodedError;
  return [code, cause?.originalCode, meta?.driverAdapterError?.cause?.originalCode].includes(LOCK_NOT_AVAILABLE);
};

export interface BusyOptions {
  /** Default: 60, over about 10 s. */
  attempts?: number;
  /** Between attempts, in ms; a random one of these. Default: 50 to 250. */
  pauseMs?: { min: number; max: number };
}

/**
 * Repeats a statement, or a transaction, that gives up when a lock is not free within its `lock_timeout`, or at once.
 *
 * @param signal ends the waiting between attempts
 * @throws the last attempt's error (SQLSTATE 55P03) when the lock was never free; others at once
 */
export const whileBusy = async <T>(
  attempt: () => Promise<T>,
  signal?: AbortSignal,
  { attempts: maxAttempts = MAX_ATTEMPTS, pauseMs = PAUSE_MS }: BusyOptions = {},
): Promise<T> => {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLockBusy(error) || attempts === maxAttempts) throw error;
    }
    await delay(pauseMs.min + Math.random() * (pauseMs.max - pauseMs.min), undefined, { signal });
  }
};
