import DataLoader from 'dataloader';
import type { Logger } from 'pino';
import { lineKey, pausedKey } from '../broker/keys.ts';
import type { Broker, Shard } from '../broker/lanes.ts';
import { findWorkers, type LiveWorker } from '../queues/find-workers.ts';
import type { TaskSummary } from './find-tasks.ts';
import type { TaskPriority } from './task-state.ts';

/** Where several hold a task back, the first is said. */
export const WAIT_KINDS = ['NOT_DUE', 'BACKOFF', 'DEPENDENCY', 'PAUSED', 'NO_WORKER', 'BEHIND'] as const;

/** Why a task does not run yet. */
export interface WaitReason {
  kind: (typeof WAIT_KINDS)[number];
  /** With NOT_DUE and BACKOFF: when it is due. */
  until: Date | null;
  /** With BEHIND: how many tasks go before it. Null where that is not known, or too many to count. */
  position: number | null;
}

type Waiting = Pick<TaskSummary, 'id' | 'queue' | 'type' | 'priority'>;
export type WaitReasons = DataLoader<Waiting, WaitReason>;

/**
 * How far a line is looked through. To find one task that far behind takes Redis 0.1 ms; to hand out the line, for a page of
 * tasks, 0.4 ms and 380 kB.
 */
export const MAX_POSITION = 10_000;
const MAX_BATCH = 500;
const PRIORITIES: readonly TaskPriority[] = ['HIGH', 'NORMAL', 'LOW'];

const reason = (kind: WaitReason['kind'], more: Partial<WaitReason> = {}): WaitReason => ({
  kind,
  until: null,
  position: null,
  ...more,
});

/**
 * Why a task waits; null where it does not. Redis is only asked for a QUEUED one.
 *
 * @throws what ioredis throws when it has to be asked and cannot be reached
 */
export const waitReasonOf = async (
  task: Pick<TaskSummary, keyof Waiting | 'status' | 'attempt' | 'runAt'>,
  queued: WaitReasons,
): Promise<WaitReason | null> => {
  if (task.status === 'SCHEDULED') return reason(task.attempt === 0 ? 'NOT_DUE' : 'BACKOFF', { until: task.runAt });
  if (task.status === 'WAITING') return reason('DEPENDENCY');
  return task.status === 'QUEUED' ? queued.load(task) : null;
};

/** Finds out why QUEUED tasks wait: those that are asked for together share what is read. */
export const createWaitReasons = (broker: Broker, logger: Logger): WaitReasons =>
  new DataLoader(
    async (tasks) => {
      const shards = tasks.map(({ priority, id }) => broker.shardFor(priority, id));
      const [paused, workers, positions] = await Promise.all([
        readPaused(new Set(shards)),
        findWorkers(broker, logger),
        readPositions(broker, tasks, shards),
      ]);
      return tasks.map((task, i) => {
        if (paused.get(shards[i] as Shard)?.has(task.queue)) return reason('PAUSED');
        if (!workers.some((worker) => serves(worker, task))) return reason('NO_WORKER');
        return reason('BEHIND', { position: positions.get(task.id) ?? null });
      });
    },
    { cache: false, maxBatchSize: MAX_BATCH },
  );

/** A worker that does not say what it can run is taken to run everything. */
const serves = ({ queues, types }: LiveWorker, { queue, type }: Waiting): boolean =>
  (queues.includes('*') || queues.includes(queue)) && (types?.includes(type) ?? true);

/** The paused queues of shards, as the shards know them: that is what workers go by. */
const readPaused = async (shards: ReadonlySet<Shard>): Promise<Map<Shard, Set<string>>> =>
  new Map(
    await Promise.all(
      [...shards].map(async (shard) => [shard, new Set(await shard.redis.smembers(pausedKey(shard.tag)))] as const),
    ),
  );

/**
 * How many tasks of the same queue and type go before each: those before it in its line, and those of higher priorities. A task
 * that stands in no line, or too far behind, has no position.
 */
const readPositions = async (
  broker: Broker,
  tasks: readonly Waiting[],
  shards: readonly Shard[],
): Promise<Map<string, number>> => {
  const lines = Map.groupBy(
    tasks.map((task, i) => ({ ...task, shard: shards[i] as Shard })),
    ({ shard, priority, queue, type }) => lineKey(shard.tag, `${priority}|${queue}|${type}`),
  );
  const positions = new Map<string, number>();
  await Promise.all(
    [...lines.values()].map(async (members) => {
      const [first] = members;
      if (!first) return;
      const ids = members.map(({ id }) => id);
      const [inLine, before] = await Promise.all([placesInLine(first, ids), countHigher(broker, first)]);
      for (const [id, place] of inLine) positions.set(id, place + before);
    }),
  );
  return positions;
};

type Line = Omit<Waiting, 'id'> & { shard: Shard };

/** How many stand before each of these in its line, whose right end is next. */
const placesInLine = async (
  { shard, priority, queue, type }: Line,
  ids: readonly string[],
): Promise<Map<string, number>> => {
  const { redis } = shard;
  const key = lineKey(shard.tag, `${priority}|${queue}|${type}`);
  const [only] = ids;
  if (only !== undefined && ids.length === 1) {
    // One call, so that nobody is claimed in between. LPOS counts from the left, wherever it begins to look.
    const [[, place] = [], [, length] = []] =
      (await redis.multi().lpos(key, only, 'RANK', -1, 'MAXLEN', MAX_POSITION).llen(key).exec()) ?? [];
    return new Map(typeof place === 'number' ? [[only, Number(length) - 1 - place]] : []);
  }
  const next = await redis.lrange(key, -MAX_POSITION, -1);
  const places = new Map(next.reverse().map((id, place) => [id, place]));
  return new Map(ids.flatMap((id) => (places.has(id) ? [[id, places.get(id) as number]] : [])));
};

/** How many wait in the lines of higher priority that are worked on before this one: in its own shard, and in all of the high lane. */
const countHigher = async (broker: Broker, { shard, priority, queue, type }: Line): Promise<number> => {
  const higher = PRIORITIES.slice(0, PRIORITIES.indexOf(priority)).flatMap((each) => {
    const among = each === 'HIGH' ? broker.high.shards : [shard];
    return among.map((of) => of.redis.llen(lineKey(of.tag, `${each}|${queue}|${type}`)));
  });
  return (await Promise.all(higher)).reduce((sum, length) => sum + length, 0);
};
