import type { Logger } from 'pino';
import { inspect, type ShardFigures } from '../../src/broker/calls.ts';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import type { Database } from '../../src/database/client.ts';
import type { ManagerFigures, QueueFigures, ShardLag, WorkerGroup } from '../../src/metrics/manager-metrics.ts';
import { findWorkers, type LiveWorker } from '../../src/queues/find-workers.ts';
import { MAX_LINES, oldestOf } from '../../src/queues/oldest-queued.ts';
import type { Queued } from '../../src/queues/queue-store.ts';

export interface FigureSources {
  broker: Broker;
  database: Database;
  /** Ids of the shards that this manager leads. */
  leads: () => readonly string[];
  logger: Logger;
}

/**
 * How full the shards are that this manager leads: one call each, and one look into PostgreSQL for when the next tasks were
 * queued. Whoever leads the first shard counts the workers, too.
 *
 * @throws what ioredis throws
 */
export const readFigures = async (sources: FigureSources): Promise<ManagerFigures> => {
  const { broker, leads } = sources;
  const ids = new Set(leads());
  const shards = broker.shards.filter(({ id }) => ids.has(id));
  const [figures, workers] = await Promise.all([
    Promise.all(shards.map((shard) => inspect(shard, { maxLines: MAX_LINES }))),
    ids.has(broker.shards[0]?.id ?? '') ? findWorkers(broker, sources.logger) : undefined,
  ]);
  return {
    queues: await toQueues(sources, figures),
    shards: toLags(shards, figures),
    workers: toGroups(workers ?? []),
    ends: workers?.flatMap(({ id, language, attempts }) => (attempts ? [{ id, language, attempts }] : [])),
  };
};

const toLags = (shards: readonly Shard[], figures: readonly ShardFigures[]): ShardLag[] =>
  shards.map(({ id }, i) => ({ shard: id, entries: figures[i]?.entries ?? 0, lagMs: figures[i]?.lagMs ?? 0 }));

const toQueues = async (
  { database, logger }: FigureSources,
  figures: readonly ShardFigures[],
): Promise<Map<string, QueueFigures>> => {
  const queues = new Map<string, QueueFigures>();
  const queueOf = (name: string): QueueFigures => {
    let queue = queues.get(name);
    if (!queue) {
      queue = { counts: new Map(), oldestAgeMs: undefined };
      queues.set(name, queue);
    }
    return queue;
  };
  for (const [field, n] of figures.flatMap(({ counts }) => counts)) {
    const [name = '', status = ''] = field.split('|');
    const { counts } = queueOf(name);
    counts.set(status, (counts.get(status) ?? 0) + n);
  }
  const lines = figures.flatMap((shard) => shard.lines);
  const oldest = await oldestOf(database, lines).catch((error: unknown) => {
    logger.debug({ err: error }, 'could not ask how long tasks have been waiting');
    return new Map<string, Queued>();
  });
  for (const [name, { ageMs }] of oldest) queueOf(name).oldestAgeMs = ageMs;
  return queues;
};

const toGroups = (workers: readonly LiveWorker[]): WorkerGroup[] => {
  const groups = new Map<string, WorkerGroup>();
  for (const { language, concurrency, running } of workers) {
    const group = groups.get(language) ?? { language, workers: 0, slots: 0, used: 0 };
    group.workers++;
    group.slots += concurrency;
    group.used += running;
    groups.set(language, group);
  }
  return [...groups.values()];
};
