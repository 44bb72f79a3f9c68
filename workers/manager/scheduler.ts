import type { Redis } from 'ioredis';
import { promote } from '../../src/broker/calls.ts';
import { timerKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { inTime } from './in-time.ts';

/** Tasks promoted in one call. */
const LIMIT = 500;
/** How long it sleeps at most: each round also wakes workers of lines that are not empty, in case a wake-up was lost. */
const MAX_SLEEP_MS = 1_000;
const MIN_SLEEP_MS = 5;
/** How long Redis may take to end the sleep, in ms. */
const MAX_ANSWER_MS = 10_000;

/**
 * Queues tasks when they are due, until the signal aborts. It sleeps until the next one is due, and is woken when an
 * earlier one comes in.
 *
 * @param sleeper a connection that only this call blocks in
 */
export const runScheduler = async (shard: Shard, sleeper: Redis, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const { promoted, nextMs } = await promote(shard, { limit: LIMIT });
    if (promoted === LIMIT) continue;
    const sleepMs = Math.max(MIN_SLEEP_MS, Math.min(nextMs ?? MAX_SLEEP_MS, MAX_SLEEP_MS));
    await inTime(sleeper.blpop(timerKey(shard.tag), sleepMs / 1_000), sleepMs + MAX_ANSWER_MS, signal);
  }
};
