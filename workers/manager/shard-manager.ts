import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import type { Config } from '../../src/config.ts';
import type { Database } from '../../src/database/client.ts';
import { runReaper } from './reaper.ts';
import { beginTerm } from './reconcile-store.ts';
import { Reconciler } from './reconciler.ts';
import { Recorder } from './recorder.ts';
import { runScheduler } from './scheduler.ts';

export interface ShardServices {
  broker: Broker;
  database: Database;
  config: Pick<Config, 'LEASE_MS' | 'RECONCILE_INTERVAL_MS'>;
  logger: Logger;
  /** Called when tasks have ended that others wait for. */
  onEndedParents: () => void;
}

/** Expired leases are looked for ten times a lease, at most once a second. */
const reapInterval = (leaseMs: number): number => Math.max(50, Math.min(leaseMs / 10, 1_000));

/**
 * What the leader of a shard does, until the signal aborts: records, promotes, reaps, reconciles.
 *
 * @throws when any of them fails: then the term is over and a new one begins from what PostgreSQL and Redis have
 */
export const manageShard = async (services: ShardServices, shard: Shard, signal: AbortSignal): Promise<void> => {
  const { broker, database, config, logger } = services;
  const term = { shardId: shard.id, term: await beginTerm(database, shard.id) };
  const connections = [shard.connect(), shard.connect()] as [Redis, Redis];
  const recorder = new Recorder(broker, shard, database, term, connections[0], logger, services.onEndedParents);
  const reconciler = new Reconciler({ broker, shard, database, term, recorder, logger });
  // Blocking reads do not listen to signals: closing their connections ends them.
  const end = (): void => {
    recorder.close();
    connections[1].disconnect();
  };
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  either.addEventListener('abort', end, { once: true });
  // Behind the next connection may be another server, with other data: the next term looks.
  connections[0].once('close', () => failure.abort(new Error('the connection was lost')));
  const part = (running: Promise<void>): Promise<void> =>
    running.catch((error) => {
      if (either.aborted) return;
      failure.abort(error);
      throw error;
    });
  try {
    const isLost = await reconciler.begin(either);
    const reconcile = async (): Promise<void> => {
      if (isLost) await reconciler.rebuild(either);
      await reconciler.run(config.RECONCILE_INTERVAL_MS, either, { afterRebuild: isLost });
    };
    await Promise.all([
      part(recorder.run(either)),
      part(runScheduler(shard, connections[1], either)),
      part(runReaper(shard, reapInterval(config.LEASE_MS), either)),
      part(reconcile()),
    ]);
  } finally {
    failure.abort();
    end();
  }
};
