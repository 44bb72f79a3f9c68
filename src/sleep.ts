import { setTimeout as delay } from 'node:timers/promises';

/** Waits for `ms`, or until the signal aborts. It never throws. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined);
