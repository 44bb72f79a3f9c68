import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metricsUrl, type Scrape, scrape, WITH_METRICS } from '../support/metrics.ts';
import { spawnProcess, startPrivateRedis, type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let manager: TestProcess;
let worker: TestProcess;

beforeAll(async () => {
  system = await startSystem({ settings: WITH_METRICS });
  manager = await system.start('manager');
  worker = await system.start('worker', { WORKER_QUEUES: 'default,mail:5', WORKER_CONCURRENCY: '20' });
});
afterAll(() => system[Symbol.asyncDispose]());

/** Scrapes until the samples are as they should be: some follow what they tell of by a moment. */
const scrapeUntil = (process: TestProcess, holds: (metrics: Scrape) => boolean, what: string): Promise<Scrape> =>
  waitFor(
    async () => {
      const metrics = await scrape(process);
      return holds(metrics) && metrics;
    },
    { what },
  );

describe('the metrics port', () => {
  test('answers with the version, and with what Node says of itself', async () => {
    for (const [process, name] of [
      [system.api, 'api'],
      [manager, 'manager'],
      [worker, 'worker'],
    ] as const) {
      const metrics = await scrape(process);
      expect(metrics.sum('taskflow_build_info', { process: name })).toBe(1);
      expect(metrics.sum('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0);
      expect(metrics.sum('process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
    }
  });

  test('says that the processes live and are ready, and knows nothing else', async () => {
    for (const process of [system.api, manager, worker]) {
      const url = await metricsUrl(process);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      expect((await fetch(`${url}/graphql`)).status).toBe(404);
      expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(404);
    }
    expect((await fetch(`${system.url}/metrics`)).status).toBe(404);
  });

  test('is only opened where a setting says so', async () => {
    const other = await system.start('worker', { METRICS_PORT: '' });
    expect(other.output()).not.toContain('/metrics');
    await other.kill();
  });

  test('tells in one line when it is taken', async () => {
    const port = new URL(await metricsUrl(worker)).port;
    const second = spawnProcess(['worker'], { ...system.app.env, METRICS_PORT: port });
    expect((await second.exit).code).toBe(1);
    expect(second.output()).toContain(`Port ${port} is in use; set METRICS_PORT to another one.`);
  });

  test('of a janitor that runs again and again counts its runs', async () => {
    const janitor = spawnProcess(['janitor', '--every', '1h'], system.app.env);
    const metrics = await scrapeUntil(
      janitor,
      (seen) => seen.sum('taskflow_janitor_runs_total', { outcome: 'done' }) === 1,
      'its first run is counted',
    );
    expect(metrics.sum('taskflow_janitor_last_success_timestamp_seconds')).toBeGreaterThan(Date.now() / 1_000 - 60);
    expect((await fetch(`${await metricsUrl(janitor)}/readyz`)).status).toBe(200);
  });
});

describe('a process that cannot work', () => {
  test('is not ready, and says why', { timeout: 60_000 }, async () => {
    await using redis = await startPrivateRedis();
    const env = { REDIS_PORT_HIGH: String(redis.port), REDIS_PORT_LOW: String(redis.port) };
    const cut = [await system.start('worker', env), await system.start('manager', env)];
    for (const process of cut) {
      const url = await metricsUrl(process);
      await waitFor(async () => (await fetch(`${url}/readyz`)).status === 200, { what: 'it is ready' });
    }
    await redis.kill();
    for (const process of cut) {
      const url = await metricsUrl(process);
      const answer = await waitFor(
        async () => {
          const response = await fetch(`${url}/readyz`);
          return response.status === 503 && ((await response.json()) as { parts: Record<string, string> });
        },
        { what: 'it is not ready' },
      );
      expect(answer.parts).toMatchObject({ redisHigh: 'cannot be reached', redisLow: 'cannot be reached' });
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      const metrics = await scrape(process);
      expect(metrics.sum('taskflow_redis_connected', { lane: 'high' })).toBe(0);
      await process.kill('SIGKILL');
    }
  });

  test('is not ready any more when it stops', async () => {
    const stopping = await system.start('worker', { WORKER_QUEUES: 'slow' });
    await system.submit(1, 'sleep', { ms: 1_000 }, { queue: 'slow' });
    const url = await metricsUrl(stopping);
    await waitFor(async () => (await scrape(stopping)).sum('taskflow_worker_slots_used') === 1, { what: 'it works' });
    const exit = stopping.kill();
    const answer = await waitFor(async () => {
      const response = await fetch(`${url}/readyz`);
      return response.status === 503 && response.text();
    });
    expect(JSON.parse(answer)).toEqual({ isReady: false, parts: { process: 'stopping' } });
    expect((await exit).code).toBe(0);
    // Its end is not to be counted with what comes next.
    expect(await system.settle()).toEqual([]);
  });
});

describe('tasks that run', () => {
  test('are counted and timed where they are submitted, run and recorded', { timeout: 60_000 }, async () => {
    const before = {
      api: await scrape(system.api),
      manager: await scrape(manager),
      worker: await scrape(worker),
    };
    await system.submit(30, 'echo', { hello: 1 }, { queue: 'mail' });
    await system.submit(2, 'fail', { message: 'no' }, { queue: 'mail', maxAttempts: 1 });
    await system.settle();
    const grown = (name: string, labels: Record<string, string>, process: 'api' | 'manager' | 'worker', now: Scrape) =>
      (now.sum(name, labels) ?? 0) - (before[process].sum(name, labels) ?? 0);

    const api = await scrape(system.api);
    const mail = (status: string) => ({ queue: 'mail', status });
    expect(grown('taskflow_task_transitions_total', mail('QUEUED'), 'api', api)).toBe(32);
    expect(grown('taskflow_submission_batch_size_count', {}, 'api', api)).toBe(2);
    expect(grown('taskflow_submission_batch_size_sum', {}, 'api', api)).toBe(32);
    expect(grown('taskflow_submission_duration_seconds_count', {}, 'api', api)).toBe(2);

    const recorded = await scrape(manager);
    expect(grown('taskflow_task_transitions_total', mail('PROCESSING'), 'manager', recorded)).toBe(32);
    expect(grown('taskflow_task_transitions_total', mail('COMPLETED'), 'manager', recorded)).toBe(30);
    expect(grown('taskflow_task_transitions_total', mail('FAILED'), 'manager', recorded)).toBe(2);
    expect(grown('taskflow_task_claim_latency_seconds_count', { queue: 'mail' }, 'manager', recorded)).toBe(32);
    expect(grown('taskflow_task_completion_latency_seconds_count', { queue: 'mail' }, 'manager', recorded)).toBe(30);
    expect(grown('taskflow_task_completion_latency_seconds_sum', { queue: 'mail' }, 'manager', recorded)).toBeLessThan(
      30 * 30,
    );
    expect(grown('taskflow_recorder_batch_size_sum', {}, 'manager', recorded)).toBe(64);
    expect(recorded.sum('taskflow_shard_leader')).toBe(2);

    const ran = await scrapeUntil(
      worker,
      (seen) => seen.sum('taskflow_worker_slots_used') === 0,
      'the worker holds nothing',
    );
    expect(grown('taskflow_worker_attempts_total', { type: 'echo', outcome: 'completed' }, 'worker', ran)).toBe(30);
    expect(grown('taskflow_worker_attempts_total', { type: 'fail', outcome: 'failed' }, 'worker', ran)).toBe(2);
    expect(grown('taskflow_worker_attempt_duration_seconds_count', { type: 'echo' }, 'worker', ran)).toBe(30);
    expect(grown('taskflow_worker_claim_batch_size_sum', {}, 'worker', ran)).toBe(32);
    expect(ran.sum('taskflow_worker_slots')).toBe(20);
  });

  test('are shown while they wait, with the age of the oldest', async () => {
    const [first] = await system.submit(3, 'sleep', { ms: 10 }, { queue: 'nobody-serves-it' });
    await system.submit(1, 'echo', {}, { queue: 'nobody-serves-it', runAt: new Date(Date.now() + 3_600_000) });
    await system.app.database.$executeRaw`
      UPDATE task_events SET at = at - interval '1 hour' WHERE task_id = ${first}::uuid`;
    const queue = 'nobody-serves-it';
    const metrics = await scrapeUntil(
      manager,
      (seen) => seen.sum('taskflow_queue_tasks', { queue, status: 'SCHEDULED' }) === 1,
      'the queue is shown',
    );
    expect(metrics.sum('taskflow_queue_tasks', { queue, status: 'QUEUED' })).toBe(3);
    expect(metrics.sum('taskflow_queue_oldest_age_seconds', { queue })).toBeGreaterThanOrEqual(3_600);
    expect(metrics.sum('taskflow_queue_oldest_age_seconds', { queue })).toBeLessThan(3_660);
    expect(metrics.sum('taskflow_recorder_lag_seconds')).toBeGreaterThanOrEqual(0);
  });

  test('are shown once, by the manager that leads their shard', async () => {
    const standby = await system.start('manager');
    await waitFor(
      async () => {
        const leaders = [await scrape(manager), await scrape(standby)].map((seen) => seen.sum('taskflow_shard_leader'));
        return leaders.every((shards) => shards === 1);
      },
      { what: 'each manager leads one of the two shards' },
    );
    await waitFor(
      async () => {
        const both = [await scrape(manager), await scrape(standby)];
        const depths = both.map((seen) => seen.sum('taskflow_queue_tasks', { queue: 'nobody-serves-it' }) ?? 0);
        return depths.toSorted().join() === '0,4';
      },
      { what: 'one of them shows the queue' },
    );
    await standby.kill();
  });

  test('and their workers are known by their heartbeats', async () => {
    await scrapeUntil(
      manager,
      (seen) =>
        seen.sum('taskflow_workers', { language: 'typescript' }) === 1 &&
        seen.sum('taskflow_workers_slots', { language: 'typescript' }) === 20,
      'the worker is shown',
    );
    const completed = { language: 'typescript', outcome: 'completed' };
    const before = (await scrape(manager)).sum('taskflow_workers_attempts_total', completed) ?? 0;
    await system.submit(5, 'echo', 1);
    await scrapeUntil(
      manager,
      (seen) => seen.sum('taskflow_workers_attempts_total', completed) === before + 5,
      'its attempts are counted',
    );
    const { workers } = await system.graphql<{ workers: { attempts: Record<string, number> }[] }>(
      '{ workers { attempts { completed retried failed released lost } } }',
    );
    expect(workers).toEqual([
      { attempts: { completed: expect.any(Number), retried: 0, failed: 2, released: 0, lost: 0 } },
    ]);
    expect(workers[0]?.attempts.completed).toBeGreaterThanOrEqual(35);
  });
});

describe('a pool', () => {
  test('is shown with its connections', async () => {
    const metrics = await scrape(system.api);
    expect(metrics.sum('taskflow_database_pool_max_connections')).toBe(5);
    expect(metrics.sum('taskflow_database_pool_connections')).toBeGreaterThanOrEqual(1);
    expect(metrics.sum('taskflow_database_pool_waiting')).toBe(0);
    expect(metrics.sum('taskflow_redis_connected')).toBe(2);
  });
});
