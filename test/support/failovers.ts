import { setTimeout as delay } from 'node:timers/promises';
import { inject } from 'vitest';
import { isBrokerOutage } from '../../src/outages.ts';
import { sleep } from '../../src/sleep.ts';
import type { RedisCluster } from './redis-cluster.ts';
import { waitFor } from './wait-for.ts';

/** A client asks again so long, and after so long each time, in ms. */
const PATIENCE_MS = 20_000;
const RETRY_MS = 50;

/** From one failover's end to the next one's beginning, in ms: what was under way goes on, and more begins. */
const CALM_MS = 5_000;

/** The primaries of a cluster fail one after the other, until it is ended. */
export interface Failovers {
  /** Ends them, once the cluster is whole again. @returns how many there were @throws what went wrong with one */
  end(): Promise<number>;
}

/**
 * Again and again, kills a primary, waits until its replica has taken over, and starts it again, as a replica.
 *
 * @param say is told of each takeover, in one line
 */
export const keepFailingOver = (cluster: RedisCluster, say: (line: string) => void = () => {}): Failovers => {
  const end = new AbortController();
  let count = 0;
  const failing = (async () => {
    while (!end.signal.aborted) {
      await cluster.healthy();
      // Each number is in another slot, so that every primary has its turn.
      const key = String(count);
      const [primary, replica] = await cluster.nodesOf(key);
      const killedAt = performance.now();
      await primary.kill();
      await waitFor(async () => (await cluster.nodesOf(key))[0] === replica, {
        what: 'the replica has taken over',
        timeoutMs: 30_000,
      });
      count++;
      say(`primary ${primary.port} was killed; ${replica.port} took over after ${inMs(performance.now() - killedAt)}`);
      await primary.start();
      await cluster.healthy();
      await sleep(CALM_MS, end.signal);
    }
  })();
  // Whoever ends them meets it.
  failing.catch(() => undefined);
  return {
    end: async () => {
      end.abort();
      await failing;
      return count;
    },
  };
};

const inMs = (duration: number): string => `${Math.round(duration)} ms`;

/**
 * Are primaries killed during this run? Then what was running is put back at any moment. Tests that count attempts,
 * transitions or milliseconds exactly, or that have nobody who could rebuild a shard, are left out of such a run, each with its reason.
 */
export const primariesFail = (): boolean => inject('redisFailsOver');

/** What the api says of Redis while a shard has no primary, or is being rebuilt in a new one. */
const PASSING = /^The broker cannot be reached now|is being put back into the queue/;

const passes = (error: unknown): boolean =>
  isBrokerOutage(error) || (error instanceof Error && PASSING.test(error.message));

/**
 * Does something that needs Redis. Where primaries are killed during the run, it is done again until it meets one: what a
 * client does as well that is told UNAVAILABLE.
 */
export const ridingOut = async <T>(act: () => Promise<T>): Promise<T> => {
  const until = performance.now() + (primariesFail() ? PATIENCE_MS : 0);
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!passes(error) || performance.now() > until) throw error;
      await delay(RETRY_MS);
    }
  }
};
