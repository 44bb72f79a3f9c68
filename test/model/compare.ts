import { expect } from 'vitest';
import { decodeEntry } from '../../src/broker/event-stream.ts';
import { eventsKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { findContradictions } from '../support/invariants.ts';
import type { Model } from './model.ts';
import type { LaneName, ModelEvent, ModelTask } from './model-task.ts';
import { LATER_MS, type RealSystem } from './real-system.ts';

/** Compares all that Redis and PostgreSQL hold with what the model says. @throws AssertionError */
export const compare = async (model: Model, real: RealSystem): Promise<void> => {
  const [high, low, rows, minutes, outbox, contradictions] = await Promise.all([
    readShard(real.shard('high')),
    readShard(real.shard('low')),
    readTasks(real),
    readMinutes(real),
    real.app.database.outbox.groupBy({ by: ['shardId'], _count: true }),
    findContradictions(real.app.database),
  ]);
  expect(contradictions).toEqual([]);
  expect({ high, low }).toEqual({ high: expectedShard(model, 'high'), low: expectedShard(model, 'low') });
  expect(rows).toEqual(Object.fromEntries(model.tasks.map((task) => [task.id, task.row()])));
  expect(minutes).toEqual(expectedMinutes(model.tasks));
  expect(Object.fromEntries(outbox.map(({ shardId, _count }) => [shardId, _count]))).toEqual(
    countBy(model.outbox, ({ lane }) => `${lane}:0`),
  );
};

const countBy = <T>(items: readonly T[], key: (item: T) => string): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(items, key)].map(([name, group]) => [name, group.length]));

const flatten = (id: string, { status, attempt, worker, data }: ModelEvent, seq: number): string =>
  `${id} ${seq} ${status} ${attempt} ${worker} ${data === null ? '' : JSON.stringify(data)}`;

interface ShardView {
  counts: Record<string, number>;
  /** Per live task: seq, attempt, token, worker. */
  runs: Record<string, string>;
  lines: Record<string, string[]>;
  /** Tasks that will be passed over in a line, where they do not stand any more. */
  overcounted: string[];
  scheduled: string[];
  leases: string[];
  cancelling: Record<string, unknown>;
  deadlines: string[];
  paused: string[];
  /** What is not recorded yet, sorted by task. */
  pending: string[];
  /** Lines whose workers would sleep on, though there is work. */
  unwoken: string[];
}

const EMPTY: ShardView = {
  counts: {},
  runs: {},
  lines: {},
  overcounted: [],
  scheduled: [],
  leases: [],
  cancelling: {},
  deadlines: [],
  paused: [],
  pending: [],
  unwoken: [],
};

const expectedShard = (model: Model, lane: LaneName): ShardView => {
  const { lost, lines, paused } = model.shards[lane];
  if (lost === 'all') return EMPTY;
  const tasks = model.tasksOf(lane);
  const live = tasks.filter(({ isLive }) => isLive);
  const ids = (list: readonly ModelTask[]): string[] => list.map(({ id }) => id).sort();
  return {
    counts: countBy(live, ({ spec, status }) => `${spec.queue}|${status}`),
    runs: Object.fromEntries(
      live.map(({ id, seq, last, holder }) => [
        id,
        `${seq} ${last.attempt} ${holder?.token ?? ''} ${holder?.worker ?? ''}`,
      ]),
    ),
    lines: Object.fromEntries([...lines].map(([line, waiting]) => [line, waiting.map(({ id }) => id)])),
    overcounted: [],
    scheduled: ids(live.filter(({ status }) => status === 'SCHEDULED')),
    leases: ids(live.filter(({ holder }) => holder)),
    cancelling: Object.fromEntries(
      live.filter(({ stopReason }) => stopReason).map(({ id, stopReason }) => [id, stopReason]),
    ),
    deadlines: ids(live.filter(({ stopReason }) => stopReason)),
    paused: [...paused].sort(),
    pending: tasks
      .flatMap(({ id, events, recorded }) =>
        events.slice(recorded).map((event, i) => flatten(id, event, recorded + i + 1)),
      )
      .sort(),
    unwoken: [],
  };
};

/** Reads a shard by what functions/shared.lua says of its keys. */
const readShard = async (shard: Shard): Promise<ShardView> => {
  const { tag } = shard;
  const { redis } = shard.lane;
  const at = (name: string): string => `${tag}:${name}`;
  const keys = new Set((await redis.keys(`${tag}:*`)).map((key) => key.slice(tag.length + 1)));
  const ids = [...keys].filter((key) => key.startsWith('task:')).map((key) => key.slice('task:'.length));
  const [counts, scheduled, leases, cancelling, deadlines, paused, stream, runs] = await Promise.all([
    redis.hgetall(at('counts')),
    redis.zrange(at('scheduled'), 0, -1, 'WITHSCORES'),
    redis.zrange(at('leases'), 0, -1),
    redis.hgetall(at('cancelling')),
    redis.zrange(at('cancel-deadlines'), 0, -1),
    redis.smembers(at('paused')),
    redis.xrange(eventsKey(tag), '-', '+'),
    ids.length > 0 ? redis.mget(ids.map((id) => at(`run:${id}`))) : [],
  ]);
  const { lines, overcounted } = await readLines(shard, keys);
  return {
    counts: Object.fromEntries(Object.entries(counts).map(([field, value]) => [field, Number(value)])),
    runs: Object.fromEntries(ids.map((id, i) => [id, (runs[i] ?? '1\t0\t\t').split('\t').slice(0, 4).join(' ')])),
    lines,
    overcounted,
    scheduled: dueLater(scheduled).sort(),
    leases: leases.sort(),
    cancelling: Object.fromEntries(Object.entries(cancelling).map(([id, reason]) => [id, JSON.parse(reason)])),
    deadlines: deadlines.sort(),
    paused: paused.sort(),
    pending: stream.flatMap(([id, fields]) => decodeEntry(id, fields).transitions.map(flattenStreamed)).sort(),
    unwoken: Object.keys(lines).filter((line) => {
      const [, queue = '', type = ''] = line.split('|');
      return !paused.includes(queue) && !(keys.has(`wake:${queue}|${type}`) && keys.has(`wake:*|${type}`));
    }),
  };
};

const flattenStreamed = (streamed: ReturnType<typeof decodeEntry>['transitions'][number]): string => {
  const { taskId, seq, status, attempt, workerId, data } = streamed;
  const event = { status: status as ModelEvent['status'], attempt, worker: workerId };
  return flatten(taskId, { ...event, data: data === '' ? null : JSON.parse(data) }, seq);
};

/** The ids; with its time where one is due earlier than it was put off. */
const dueLater = (flat: readonly string[]): string[] =>
  flat.flatMap((id, i) => {
    if (i % 2 === 1) return [];
    const dueMs = Number(flat[i + 1]);
    return [dueMs > Date.now() + LATER_MS / 2 ? id : `${id} at ${dueMs}`];
  });

/** The lines, the next one first, without the places of those that were taken out; and who has fewer such places than is noted. */
const readLines = async (
  { lane: { redis }, tag }: Shard,
  keys: Set<string>,
): Promise<Pick<ShardView, 'lines' | 'overcounted'>> => {
  const stale = Object.entries(await redis.hgetall(`${tag}:stale`));
  const left = new Map(stale.map(([id, times]) => [id, Number(times)]));
  const listed = await redis.smembers(`${tag}:lines`);
  const lines: Record<string, string[]> = {};
  for (const key of [...keys].filter((name) => name.startsWith('line:')).sort()) {
    const name = key.slice('line:'.length);
    const waiting = (await redis.lrange(`${tag}:${key}`, 0, -1)).reverse().filter((id) => {
      const times = left.get(id) ?? 0;
      left.set(id, times - 1);
      return times <= 0;
    });
    if (waiting.length > 0) lines[listed.includes(name) ? name : `${name} (not listed)`] = waiting;
  }
  return { lines, overcounted: [...left].filter(([, times]) => times > 0).map(([id]) => id) };
};

interface TaskRow {
  id: string;
  row: ReturnType<ModelTask['row']>;
}

const readTasks = async ({ app: { database } }: RealSystem): Promise<Record<string, TaskRow['row']>> => {
  const rows = await database.$queryRaw<TaskRow[]>`
    SELECT t.id, json_build_object('status', t.status, 'seq', t.seq, 'attempt', t.attempt, 'worker', t.worker_id,
      'result', t.result, 'error', t.error, 'cancelReason', t.cancel_reason, 'hasEnded', t.finished_at IS NOT NULL,
      'isDead', d.task_id IS NOT NULL,
      'events', (SELECT json_agg(json_build_object('status', e.status, 'attempt', e.attempt,
        'worker', coalesce(e.worker_id, ''), 'data', e.detail) ORDER BY e.seq) FROM task_events e WHERE e.task_id = t.id)) AS row
    FROM tasks t LEFT JOIN dead_letters d ON d.task_id = t.id`;
  return Object.fromEntries(rows.map(({ id, row }) => [id, row]));
};

/** How many tasks ended how, per queue: "q1 COMPLETED". */
const readMinutes = async ({ app: { database } }: RealSystem): Promise<Record<string, number>> => {
  const rows = await database.queueMinute.groupBy({
    by: ['queue'],
    _sum: { completed: true, failed: true, cancelled: true },
  });
  return Object.fromEntries(
    rows.flatMap(({ queue, _sum }) =>
      Object.entries(_sum).flatMap(([status, n]) => (n ? [[`${queue} ${status.toUpperCase()}`, n]] : [])),
    ),
  );
};

const expectedMinutes = (tasks: readonly ModelTask[]): Record<string, number> => {
  const ends = tasks.flatMap(({ spec, events, recorded }) =>
    events
      .slice(0, recorded)
      .filter(({ status }) => ['COMPLETED', 'FAILED', 'CANCELLED'].includes(status))
      .map(({ status }) => `${spec.queue} ${status}`),
  );
  return countBy(ends, (end) => end);
};
