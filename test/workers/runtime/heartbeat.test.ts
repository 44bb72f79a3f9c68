import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { taskTypesKey, workersKey } from '../../../src/broker/keys.ts';
import { loadLibrary } from '../../../src/broker/library.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../../src/tasks/task-state.ts';
import { defineTask } from '../../../workers/runtime/define-task.ts';
import { startPrivateRedis, waitFor } from '../../support/setup.ts';
import { setupWorkers, type WorkerApp } from './worker-setup.ts';

const tasks = [
  defineTask({ type: 'any', handler: () => 1 }),
  defineTask({
    type: 'sized',
    payload: z.object({ size: z.int().min(1).default(3) }),
    handler: ({ payload }) => payload.size,
  }),
];

const listed = async (app: WorkerApp, id: string) => {
  const entries = await Promise.all(
    app.broker.lanes.map(({ redis, shards }) => redis.hget(workersKey(shards[0]?.tag ?? ''), id)),
  );
  return entries.map((entry) => (entry === null ? undefined : JSON.parse(entry.split('\t')[1] ?? '')));
};

describe('a heartbeat', () => {
  test('lists the worker in both lanes at once, and its task types with their schemas', async () => {
    await using app = await setupWorkers();

    const worker = app.start(tasks, { queues: ['a', 'b'], concurrency: 7 });

    const [high, low] = await waitFor(async () => {
      const both = await listed(app, worker.id);
      return both.every(Boolean) && both;
    });
    expect(high).toMatchObject({
      language: 'typescript',
      pid: process.pid,
      queues: ['a', 'b'],
      concurrency: 7,
      running: 0,
    });
    expect(new Date(high.startedAt).getTime()).toBeLessThanOrEqual(Date.now());
    expect(low).toEqual(high);
    const types = await app.broker.low.redis.hgetall(taskTypesKey(app.broker.low.shards[0]?.tag ?? ''));
    const { any, sized } = types;
    expect(any).toBe('null');
    expect(JSON.parse(sized ?? '')).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { size: { type: 'integer', minimum: 1, default: 3 } },
    });
    expect(JSON.parse(sized ?? '')).not.toHaveProperty('required');
  });

  test('is sent again at every interval, and takes the worker off the list at its end', async () => {
    await using app = await setupWorkers();
    const worker = app.start(tasks, { heartbeatIntervalMs: 50 });
    const tag = app.broker.low.shards[0]?.tag ?? '';
    const expiry = async () => Number(await app.broker.low.redis.zscore(`${tag}:worker-expiry`, worker.id));
    const first = await waitFor(expiry);
    await waitFor(async () => (await expiry()) > first);

    await worker.stop({ graceMs: 0 });

    expect(await listed(app, worker.id)).toEqual([undefined, undefined]);
  });

  test('is sent at once when Redis is back', async () => {
    await using redis = await startPrivateRedis({ appendonly: 'no' });
    await using app = await setupWorkers({ redis });
    const worker = app.start(tasks);
    await waitFor(async () => (await listed(app, worker.id)).every(Boolean));

    await redis.kill();
    await redis.start();
    await app.broker.ready();
    expect(await app.broker.low.redis.dbsize()).toBe(0);
    await loadLibrary(app.broker.low.redis, { moves: LEGAL_MOVES, live: LIVE_STATUSES });

    // The next interval is half a minute away.
    await waitFor(async () => (await listed(app, worker.id)).every(Boolean), { timeoutMs: 5_000 });
  });
});
