import { setTimeout as delay } from 'node:timers/promises';

/** Waits for `ms`; when the signal aborts, at once no longer. It never throws. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined);
