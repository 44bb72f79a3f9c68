import type { Broker } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { type LiveCounts, noCounts, readAllLiveCounts, readLiveCounts } from './live-counts.ts';
import { countEnded, type EndedCounts, findPausedQueues, hasEnded } from './queue-store.ts';

/** A queue's unfinished tasks now, and what ended in it over the last 24 hours. */
export type QueueCounts = LiveCounts & EndedCounts;

export interface Queue {
  name: string;
  /** Are its tasks held back? */
  isPaused: boolean;
  counts: QueueCounts;
}

export interface QueueServices {
  database: Database;
  broker: Broker;
}

const NOTHING_ENDED: EndedCounts = { completed: 0, failed: 0 };

const toQueue = (name: string, isPaused: boolean, live: LiveCounts, ended: EndedCounts = NOTHING_ENDED): Queue => ({
  name,
  isPaused,
  counts: { ...live, ...ended },
});

/**
 * All queues that have unfinished tasks, in which something ended over the last 24 hours, or that are paused, by name.
 *
 * @throws what Prisma or ioredis throw when PostgreSQL or Redis cannot be reached
 */
export const findQueues = async ({ database, broker }: QueueServices): Promise<Queue[]> => {
  const [live, ended, paused] = await Promise.all([
    readAllLiveCounts(broker),
    countEnded(database),
    findPausedQueues(database),
  ]);
  const names = [...new Set([...live.keys(), ...ended.keys(), ...paused])].sort();
  return names.map((name) => toQueue(name, paused.has(name), live.get(name) ?? noCounts(), ended.get(name)));
};

/** @returns the queue, or null where it has no unfinished tasks, nothing ever ended in it, and it is not paused */
export const findQueue = async (services: QueueServices, name: string): Promise<Queue | null> => {
  const queue = await readQueue(services, name);
  const isKnown =
    queue.isPaused ||
    Object.values(queue.counts).some((count) => count > 0) ||
    (await hasEnded(services.database, name));
  return isKnown ? queue : null;
};

/** A queue's counts; all zero for one that nobody has used yet. */
export const readQueue = async ({ database, broker }: QueueServices, name: string): Promise<Queue> => {
  const [live, ended, paused] = await Promise.all([
    readLiveCounts(broker, name),
    countEnded(database, [name]),
    findPausedQueues(database, [name]),
  ]);
  return toQueue(name, paused.has(name), live, ended.get(name));
};
