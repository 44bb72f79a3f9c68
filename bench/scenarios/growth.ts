import { Client } from 'pg';
import { claim, release } from '../../src/broker/calls.ts';
import { findTask, findTasks } from '../../src/tasks/find-tasks.ts';
import { quantile } from '../quantile.ts';
import type { Servers } from '../servers.ts';
import { openTaskFlow, type TaskFlowSystem, taskflow } from '../systems/taskflow.ts';
import { usedMemory } from './memory.ts';
import { type Figure, type Round, rateOf, type Scenario } from './scenario.ts';

const WAITING = [10_000, 100_000, 1_000_000];
const FINISHED = [0, 1_000_000, 10_000_000];
/** How often each thing is timed. */
const TIMES = 200;

const p50 = async (run: () => Promise<unknown>): Promise<number> => {
  const times: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    const startedAt = performance.now();
    await run();
    times.push(performance.now() - startedAt);
  }
  return quantile(times, 0.5);
};

/** Claims 50 tasks and hands them back. */
const claimAndRelease = async ({ services: { broker } }: TaskFlowSystem): Promise<void> => {
  const [shard] = broker.low.shards;
  if (!shard) throw new Error('the low lane has no shards');
  const worker = 'bench';
  const claims = await claim(shard, { worker, limit: 50, leaseMs: 60_000, lowFirst: '0', queues: '*', types: 'echo' });
  await release(shard, { worker }, claims);
};

const withWaiting = async (servers: Servers, count: number): Promise<Figure[]> => {
  await using system = await openTaskFlow(servers);
  await system.submitKnown(count);
  const waiting = count.toLocaleString('en');
  const figure = (what: string, value: number, unit: Figure['unit']): Figure => ({
    name: `${what} of ${waiting} waiting`,
    system: taskflow.name,
    value,
    unit,
    growth: { plot: `${what}, by tasks that wait`, count },
  });
  return [
    figure('claim and release 50, p50', await p50(() => claimAndRelease(system)), 'ms'),
    figure('memory in Redis', await usedMemory(system.services.broker.low.redis), 'bytes'),
  ];
};

/** Ended tasks of the owner, three transitions each, of the last hours: made by SQL in a tenth of the time. */
const makeFinished = async ({ databaseUrl }: Servers, ownerId: string, count: number): Promise<void> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (let from = 1; from <= count; from += 500_000) {
      const to = Math.min(count, from + 499_999);
      await client.query(
        `WITH made AS (
          INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, attempt, max_attempts, result, created_at, started_at, finished_at)
          SELECT overlay(gen_random_uuid()::text PLACING left(taskflow_first_id(at)::text, 15) FROM 1 FOR 15)::uuid, $1,
            CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'echo' END, 'default', '{"n": 1}', 'NORMAL', 'COMPLETED', 3, 1, 3, '{"ok": true}', at, at, at
          FROM (SELECT n, date_trunc('day', now()) - interval '1 hour' + n * interval '0.3 ms' AS at FROM generate_series($2::bigint, $3::bigint) n) t
          RETURNING id, created_at
        )
        INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt)
        SELECT m.id, e.seq, $1, ($2::bigint - 1) * 3 + row_number() OVER (), e.status::task_status, m.created_at, 1
        FROM made m CROSS JOIN (VALUES (1, 'QUEUED'), (2, 'PROCESSING'), (3, 'COMPLETED')) AS e(seq, status)`,
        [ownerId, from, to],
      );
    }
    await client.query('UPDATE owner_feeds SET position = $2 WHERE owner_id = $1', [ownerId, count * 3]);
    await client.query('VACUUM ANALYZE tasks');
    await client.query('ANALYZE task_events');
  } finally {
    await client.end();
  }
};

const withFinished = async (servers: Servers, count: number, { scale }: Round): Promise<Figure[]> => {
  await using system = await openTaskFlow(servers);
  const { services, ownerId } = system;
  await makeFinished(servers, ownerId, count);
  const submitted = scale(50_000);
  const rate = await rateOf(submitted, () => system.submit({ count: submitted, callers: 4, size: 1_000 }));
  const page = await findTasks(services.database, ownerId, {}, { first: 50 });
  const id = page.nodes.at(-1)?.id ?? '';
  const figure = (what: string, value: number, unit: Figure['unit'] = 'ms'): Figure => ({
    name: `${what}, with ${count.toLocaleString('en')} finished`,
    system: taskflow.name,
    value,
    unit,
    growth: { plot: `${what}, by tasks that ended`, count },
  });
  const { database } = services;
  return [
    figure('submit in bulk', rate, 'tasks/s'),
    figure('memory in Redis', await usedMemory(services.broker.low.redis), 'bytes'),
    figure('claim and release 50, p50', await p50(() => claimAndRelease(system))),
    figure('task, p50', await p50(() => findTask(database, ownerId, id))),
    figure('tasks, first page, p50', await p50(() => findTasks(database, ownerId, {}, { first: 50 }))),
    figure(
      'tasks of a rare type, first page, p50',
      await p50(() => findTasks(database, ownerId, { type: ['rare'] }, { first: 50 })),
    ),
  ];
};

/** Whether anything gets slower as tasks wait or pile up. */
export const growth: Scenario = {
  name: 'growth',
  contestants: [taskflow],
  run: async (round) => {
    const figures: Figure[] = [];
    const { servers, scale } = round;
    for (const count of WAITING) figures.push(...(await withWaiting(await servers.fresh(), scale(count))));
    for (const count of FINISHED) {
      figures.push(...(await withFinished(await servers.fresh(), count === 0 ? 0 : scale(count), round)));
    }
    return figures;
  },
};
