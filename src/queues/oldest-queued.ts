import { inspect, type ShardFigures } from '../broker/calls.ts';
import type { Broker } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { type Queued, readQueued } from './queue-store.ts';

/** Lines (a priority, queue and type each) that are looked at in one shard: beyond, the oldest task may be missed. */
export const MAX_LINES = 1_000;

/**
 * The task of each queue that has been waiting longest, among those that are next in their lines.
 *
 * @param lines as `inspect` gives them
 * @throws what Prisma throws
 */
export const oldestOf = async (database: Database, lines: ShardFigures['lines']): Promise<Map<string, Queued>> => {
  const queued = await readQueued(
    database,
    lines.flatMap(({ ids }) => ids),
  );
  const oldest = new Map<string, Queued>();
  for (const { queue, ids } of lines) {
    for (const id of ids) {
      const task = queued.get(id);
      const before = oldest.get(queue);
      if (task && (!before || task.at < before.at)) oldest.set(queue, task);
    }
  }
  return oldest;
};

/** As `oldestOf`, of all shards. @throws what Prisma and ioredis throw */
export const findOldestQueued = async (broker: Broker, database: Database): Promise<Map<string, Queued>> => {
  const figures = await Promise.all(broker.shards.map((shard) => inspect(shard, { maxLines: MAX_LINES })));
  return oldestOf(
    database,
    figures.flatMap(({ lines }) => lines),
  );
};
