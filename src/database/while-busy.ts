import { setTimeout as delay } from 'node:timers/promises';

/** SQLSTATE of a lock that was not free in time. */
const LOCK_NOT_AVAILABLE = '55P03';
const MAX_ATTEMPTS = 60;
/** Between attempts, in ms; longer than an attempt may hold others up, so that they have the tables most of the time. */
const PAUSE_MS = { min: 50, max: 250 };

interface CodedError {
  code?: string;
  /** Prisma has PostgreSQL's code in here. */
  meta?: { driverAdapterError?: { cause?: { originalCode?: string } } };
}

export const isLockBusy = (error: unknown): boolean => {
  const { code, meta } = Object(error) as CodedError;
  return code === LOCK_NOT_AVAILABLE || meta?.driverAdapterError?.cause?.originalCode === LOCK_NOT_AVAILABLE;
};

/**
 * Repeats a statement that gives up when a lock is not free within its `lock_timeout`: 60 times, over about 10 s.
 *
 * @param signal ends the waiting between attempts
 * @throws the last attempt's error (SQLSTATE 55P03) when the lock was never free; others at once
 */
export const whileBusy = async <T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLockBusy(error) || attempts === MAX_ATTEMPTS) throw error;
    }
    await delay(PAUSE_MS.min + Math.random() * (PAUSE_MS.max - PAUSE_MS.min), undefined, { signal });
  }
};
