import type { Logger } from 'pino';
import { z } from 'zod';
import { workerExpiryKey, workersKey } from '../broker/keys.ts';
import type { Broker, Lane } from '../broker/lanes.ts';

/** What a worker says of itself with each heartbeat; docs/worker-protocol.md. */
const DescriptionSchema = z.object({
  language: z.string(),
  host: z.string(),
  version: z.string().optional(),
  queues: z.array(z.string()),
  concurrency: z.number().int(),
  running: z.number().int(),
  /** How attempts have ended since its start; older workers, and those without Redis, do not say. */
  attempts: z
    .object({
      completed: z.number().int(),
      retried: z.number().int(),
      failed: z.number().int(),
      released: z.number().int(),
      lost: z.number().int(),
    })
    .optional(),
  /** What it can run; older workers do not say. */
  types: z.array(z.string()).optional(),
});

export interface LiveWorker extends z.output<typeof DescriptionSchema> {
  id: string;
  lastHeartbeatAt: Date;
}

/**
 * The workers that live, by id: those of whom three heartbeats are missing are left out. Each is known to both lanes; the
 * newer heartbeat counts.
 *
 * @throws what ioredis throws when neither lane can be reached
 */
export const findWorkers = async (broker: Broker, logger: Logger): Promise<LiveWorker[]> => {
  const lanes = await Promise.allSettled(broker.lanes.map((lane) => readWorkers(lane, logger)));
  const seen = lanes.filter((lane) => lane.status === 'fulfilled');
  const failed = lanes.find((lane) => lane.status === 'rejected');
  if (seen.length === 0 && failed) throw failed.reason;
  const newest = new Map<string, LiveWorker>();
  for (const worker of seen.flatMap(({ value }) => value)) {
    const other = newest.get(worker.id);
    if (!other || other.lastHeartbeatAt < worker.lastHeartbeatAt) newest.set(worker.id, worker);
  }
  return [...newest.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
};

const readWorkers = async ({ redis, shards: [shard] }: Lane, logger: Logger): Promise<LiveWorker[]> => {
  if (!shard) return [];
  // Redis's clock, which wrote the times. A worker's own interval decides when it is too late, so its expiry is asked.
  const [seconds = 0, micros = 0] = await redis.time();
  const now = Number(seconds) * 1_000 + Number(micros) / 1_000;
  const ids = await redis.zrangebyscore(workerExpiryKey(shard.tag), now, '+inf');
  if (ids.length === 0) return [];
  const values = await redis.hmget(workersKey(shard.tag), ...ids);
  return ids.flatMap((id, i) => parseWorker(id, values[i] ?? '', logger) ?? []);
};

/** @param value "<ms>\t<JSON>" */
const parseWorker = (id: string, value: string, logger: Logger): LiveWorker | undefined => {
  const tab = value.indexOf('\t');
  if (tab < 0) return undefined;
  try {
    const description = DescriptionSchema.parse(JSON.parse(value.slice(tab + 1)));
    return { id, ...description, lastHeartbeatAt: new Date(Number(value.slice(0, tab))) };
  } catch (error) {
    logger.debug({ err: error, worker: id }, 'a worker describes itself in a form that is not known');
    return undefined;
  }
};
