import { reap } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { leasesExpired } from '../../src/diagnostics.ts';
import { sleep } from '../../src/sleep.ts';

/** Attempts taken back in one call. */
const LIMIT = 500;

/** Takes back all attempts whose lease expired. Returns how many. */
export const reapExpired = async (shard: Shard): Promise<number> => {
  let total = 0;
  for (;;) {
    const reaped = await reap(shard, { limit: LIMIT });
    total += reaped;
    if (reaped > 0) leasesExpired.publish({ attempts: reaped });
    if (reaped < LIMIT) return total;
  }
};

/** Takes back expired attempts every `intervalMs`, until the signal aborts. */
export const runReaper = async (shard: Shard, intervalMs: number, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    await reapExpired(shard);
    await sleep(intervalMs, signal);
  }
};
