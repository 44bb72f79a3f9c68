import { countsKey, ownerCountsKey } from '../broker/keys.ts';
import type { Broker } from '../broker/lanes.ts';

/** How many unfinished tasks of a queue there are now. */
export interface LiveCounts {
  scheduled: number;
  queued: number;
  processing: number;
}

const STATUSES = ['SCHEDULED', 'QUEUED', 'PROCESSING'] as const;

export const noCounts = (): LiveCounts => ({ scheduled: 0, queued: 0, processing: 0 });

/** A queue's name may not hold "|", which ends it in a field of the counts. */
const add = (counts: LiveCounts, status: string, by: number): void => {
  if (status === 'SCHEDULED') counts.scheduled += by;
  else if (status === 'QUEUED') counts.queued += by;
  else if (status === 'PROCESSING') counts.processing += by;
};

/** The counts of all queues that have unfinished tasks, summed over all shards. @throws what ioredis throws */
export const readAllLiveCounts = async ({ shards }: Broker): Promise<Map<string, LiveCounts>> => {
  const queues = new Map<string, LiveCounts>();
  const fields = await Promise.all(shards.map(({ redis, tag }) => redis.hgetall(countsKey(tag))));
  for (const [field, value] of fields.flatMap(Object.entries<string>)) {
    const [name = '', status = ''] = field.split('|');
    const counts = queues.get(name) ?? noCounts();
    add(counts, status, Number(value));
    queues.set(name, counts);
  }
  return queues;
};

/** @returns zeros for a queue without unfinished tasks @throws what ioredis throws */
export const readLiveCounts = (broker: Broker, name: string): Promise<LiveCounts> =>
  readCounts(broker, countsKey, name);

/**
 * The counts of an owner's unfinished tasks in all queues, but for those that wait for other tasks.
 *
 * @throws what ioredis throws
 */
export const readOwnerCounts = (broker: Broker, ownerId: string): Promise<LiveCounts> =>
  readCounts(broker, ownerCountsKey, ownerId);

/** As `readOwnerCounts`, of all owners. @throws what ioredis throws */
export const readTotalCounts = async (broker: Broker): Promise<LiveCounts> => {
  const total = noCounts();
  for (const { scheduled, queued, processing } of (await readAllLiveCounts(broker)).values()) {
    total.scheduled += scheduled;
    total.queued += queued;
    total.processing += processing;
  }
  return total;
};

/** @param name what stands before the status in the fields of this key */
const readCounts = async ({ shards }: Broker, keyOf: (tag: string) => string, name: string): Promise<LiveCounts> => {
  const counts = noCounts();
  const fields = STATUSES.map((status) => `${name}|${status}`);
  const replies = await Promise.all(shards.map(({ redis, tag }) => redis.hmget(keyOf(tag), ...fields)));
  for (const values of replies) {
    STATUSES.forEach((status, i) => {
      add(counts, status, Number(values[i] ?? 0));
    });
  }
  return counts;
};
