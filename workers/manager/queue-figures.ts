import type { Logger } from 'pino';
import { inspect, type ShardFigures } from '../../src/broker/calls.ts';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import type { Database } from '../../src/database/client.ts';
import type { ManagerFigures, QueueFigures, ShardLag, WorkerGroup } from '../../src/metrics/manager-metrics.ts';
import { findWorkers } from '../../src/queues/find-workers.ts';

/** Lines (a priority, queue and type each) that are looked at in one shard: beyond, the oldest task may be missed. */
const MAX_LINES = 1_000;

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
    ids.has(broker.shards[0]?.id ?? '') ? countWorkers(sources) : [],
  ]);
  return { queues: await toQueues(sources, figures), shards: toLags(shards, figures), workers };
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
  const ages = await readAges(
    database,
    lines.flatMap(({ ids }) => ids),
  ).catch((error: unknown) => {
    logger.debug({ err: error }, 'could not ask how long tasks have been waiting');
    return new Map<string, number>();
  });
  for (const { queue: name, ids } of lines) {
    const queue = queueOf(name);
    for (const id of ids) queue.oldestAgeMs = latest(queue.oldestAgeMs, ages.get(id));
  }
  return queues;
};

const latest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);

/** How long ago these tasks were queued last, in ms; without those that are not QUEUED for PostgreSQL. */
const readAges = async (database: Database, ids: readonly string[]): Promise<Map<string, number>> => {
  if (ids.length === 0) return new Map();
  const sorted = ids.toSorted();
  const rows = await database.$queryRaw<{ task_id: string; age_ms: number }[]>`
    SELECT task_id, (extract(epoch FROM clock_timestamp() - at) * 1000)::float8 AS age_ms FROM (
      SELECT DISTINCT ON (task_id) task_id, status, at FROM task_events
      WHERE task_id = ANY(${sorted}::uuid[]) AND task_id >= ${sorted[0]}::uuid AND task_id <= ${sorted.at(-1)}::uuid
      ORDER BY task_id, seq DESC
    ) last WHERE status = 'QUEUED'`;
  return new Map(rows.map((row) => [row.task_id, Math.max(0, row.age_ms)]));
};

const countWorkers = async ({ broker, logger }: FigureSources): Promise<WorkerGroup[]> => {
  const groups = new Map<string, WorkerGroup>();
  for (const { language, concurrency, running } of await findWorkers(broker, logger)) {
    const group = groups.get(language) ?? { language, workers: 0, slots: 0, used: 0 };
    group.workers++;
    group.slots += concurrency;
    group.used += running;
    groups.set(language, group);
  }
  return [...groups.values()];
};
