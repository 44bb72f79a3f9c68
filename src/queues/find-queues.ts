import DataLoader from 'dataloader';
import type { Broker } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { type LiveCounts, noCounts, readAllLiveCounts, readLiveCounts } from './live-counts.ts';
import { findOldestQueued } from './oldest-queued.ts';
import {
  countEnded,
  type EndedCounts,
  findQueueSettings,
  hasEnded,
  type Queued,
  type QueueSettings,
} from './queue-store.ts';

/** A queue's unfinished tasks now, and what ended in it over the last 24 hours. */
export type QueueCounts = LiveCounts & EndedCounts;

export interface Queue extends QueueSettings {
  name: string;
  counts: QueueCounts;
  /** Since when its oldest waiting task has been QUEUED; null for none, undefined where nobody looked. */
  oldestQueuedAt?: Date | null;
}

export interface QueueServices {
  database: Database;
  broker: Broker;
}

const NOTHING_ENDED: EndedCounts = { completed: 0, failed: 0 };

const NOTHING_SET: QueueSettings = { isPaused: false, isDraining: false };

const toQueue = (
  name: string,
  settings: QueueSettings = NOTHING_SET,
  live: LiveCounts = noCounts(),
  ended: EndedCounts = NOTHING_ENDED,
): Queue => ({
  name,
  ...settings,
  counts: { ...live, ...ended },
});

/**
 * All queues that have unfinished tasks, in which something ended over the last 24 hours, or that are paused or draining, by
 * name.
 *
 * @throws what Prisma or ioredis throw when PostgreSQL or Redis cannot be reached
 */
export const findQueues = async ({ database, broker }: QueueServices): Promise<Queue[]> => {
  const [live, ended, settings] = await Promise.all([
    readAllLiveCounts(broker),
    countEnded(database),
    findQueueSettings(database),
  ]);
  const names = [...new Set([...live.keys(), ...ended.keys(), ...settings.keys()])].sort();
  return names.map((name) => toQueue(name, settings.get(name), live.get(name), ended.get(name)));
};

/** @returns the queue, or null where it has no unfinished tasks, nothing ever ended in it, and nothing is set about it */
export const findQueue = async (services: QueueServices, name: string): Promise<Queue | null> => {
  const queue = await readQueue(services, name);
  const isKnown =
    queue.isPaused ||
    queue.isDraining ||
    Object.values(queue.counts).some((count) => count > 0) ||
    (await hasEnded(services.database, name));
  return isKnown ? queue : null;
};

/** A queue's counts; all zero for one that nobody has used yet. */
export const readQueue = async ({ database, broker }: QueueServices, name: string): Promise<Queue> => {
  const [live, ended, settings] = await Promise.all([
    readLiveCounts(broker, name),
    countEnded(database, [name]),
    findQueueSettings(database, [name]),
  ]);
  return toQueue(name, settings.get(name), live, ended.get(name));
};

/**
 * As `findQueues`, with how long the oldest waiting task of each has been waiting.
 *
 * @throws what Prisma or ioredis throw when PostgreSQL or Redis cannot be reached
 */
export const findQueuesWithAges = async (services: QueueServices): Promise<Queue[]> => {
  const [queues, oldest] = await Promise.all([
    findQueues(services),
    findOldestQueued(services.broker, services.database),
  ]);
  return queues.map((queue) => ({ ...queue, oldestQueuedAt: oldest.get(queue.name)?.at ?? null }));
};

/** How long an age may be known already for subscribers, in ms. Looking takes 18 ms with a thousand busy queues, mostly Redis's. */
const LATELY_MS = 1_000;

/** Since when the oldest waiting tasks of queues have been QUEUED; null for none. */
export interface QueueAges {
  /** By a queue's name, as it is now: looked for once for all queues that are asked about at once. */
  now: DataLoader<string, Date | null>;
  /**
   * Of a queue whose counts were just read, as it was at most a second ago: looked for once a second for all queues, however many
   * are watched, and however often they change.
   */
  lately: (queue: Pick<Queue, 'name' | 'counts'>) => Promise<Date | null>;
}

export const createQueueAges = ({ broker, database }: QueueServices): QueueAges => {
  let known: { until: number; oldest: Promise<Map<string, Queued>> } | undefined;
  const look = (): Promise<Map<string, Queued>> => {
    const oldest = findOldestQueued(broker, database);
    const looked = { until: performance.now() + LATELY_MS, oldest };
    known = looked;
    oldest.catch(() => {
      if (known === looked) known = undefined;
    });
    return oldest;
  };
  const now = new DataLoader<string, Date | null>(
    async (names) => {
      const oldest = await look();
      return names.map((name) => oldest.get(name)?.at ?? null);
    },
    { cache: false },
  );
  const lately: QueueAges['lately'] = async ({ name, counts }) => {
    if (counts.queued === 0) return null;
    const oldest = known && performance.now() < known.until ? await known.oldest : undefined;
    // Its first task has come since: subscribers may hear no more of it for a while.
    return oldest?.get(name)?.at ?? now.load(name);
  };
  return { now, lately };
};
