import { describe, expect, test } from 'vitest';
import { promote, reap } from '../../../src/broker/calls.ts';
import { loadLibrary } from '../../../src/broker/library.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../../src/tasks/task-state.ts';
import { defineTask } from '../../../workers/runtime/define-task.ts';
import { startPrivateRedis, waitFor } from '../../support/setup.ts';
import { beginEpoch, setupWorkers } from './worker-setup.ts';

describe('a worker whose Redis', () => {
  test('crashes in the middle reports what ended meanwhile, and goes on', async () => {
    await using redis = await startPrivateRedis({ appendfsync: 'always' });
    await using app = await setupWorkers({ redis });
    const gates: (() => void)[] = [];
    const task = defineTask({
      type: 'work',
      handler: ({ payload }) => (payload === 'wait' ? new Promise<void>((done) => gates.push(done)) : 1),
    });
    const waiting = await app.submit(6, { payload: 'wait' });
    const worker = app.start([task], { concurrency: 6 });
    await waitFor(() => gates.length === 6);

    await redis.kill();
    for (const open of gates) open();
    await new Promise(setImmediate);
    expect(worker.running).toBe(6);
    await redis.start();
    await app.broker.ready();

    await app.reached(waiting, 'COMPLETED');
    await beginEpoch(app.broker, 2);
    await app.reached(await app.submit(20), 'COMPLETED');
    for (const id of waiting) expect(await app.history(id)).toEqual(['PROCESSING 1', 'COMPLETED 1']);
  });

  test('crashes under load loses no task', async () => {
    await using redis = await startPrivateRedis({ appendfsync: 'always' });
    await using app = await setupWorkers({ redis });
    const ids = await app.submit(3_000, { maxAttempts: 10 });
    const worker = app.start([defineTask({ type: 'work', handler: async () => 1 })], {
      concurrency: 50,
      leaseMs: 1_000,
    });
    await waitFor(async () => (await app.transitions()).length > 1_000);

    await redis.kill();
    await redis.start();
    await app.broker.ready();
    await beginEpoch(app.broker, 2);

    // A claim whose answer was lost with the connection comes back by its lease.
    await waitFor(
      async () => {
        for (const shard of app.broker.shards) {
          await reap(shard, { limit: 1_000 });
          await promote(shard, { limit: 1_000 });
        }
        const ended = (await app.transitions())
          .filter(({ status }) => status === 'COMPLETED')
          .map(({ taskId }) => taskId);
        expect(ended.length).toBe(new Set(ended).size);
        return ended.length === ids.length;
      },
      { timeoutMs: 20_000 },
    );
    await waitFor(() => worker.running === 0);
  });

  test('loses its data survives, and claims again in the next epoch', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setupWorkers({ redis });
    const signals: AbortSignal[] = [];
    const task = defineTask({
      type: 'work',
      handler: ({ payload, signal }) => {
        if (payload !== 'wait') return 1;
        signals.push(signal);
        return new Promise(() => {});
      },
    });
    await app.submit(2, { payload: 'wait' });
    const worker = app.start([task], { leaseMs: 300 });
    await waitFor(() => signals.length === 2);

    await app.broker.low.redis.flushall();
    await app.broker.low.redis.function('FLUSH');
    await waitFor(() =>
      app.submit(1).then(
        () => false,
        (error: Error) => error.name === 'BrokerNotReadyError',
      ),
    );
    await loadLibrary(app.broker.low.redis, { moves: LEGAL_MOVES, live: LIVE_STATUSES });
    await beginEpoch(app.broker, 2);

    await waitFor(() => signals.every(({ aborted }) => aborted), {
      what: 'handlers are told that their leases are gone',
    });
    await waitFor(() => worker.running === 0);
    await app.reached(await app.submit(3), 'COMPLETED');
  });

  test('is away from the beginning starts work when it comes', async () => {
    await using redis = await startPrivateRedis({ appendfsync: 'always' });
    await using app = await setupWorkers({ redis });
    const ids = await app.submit(3);
    await redis.kill();

    app.start([defineTask({ type: 'work', handler: () => 1 })]);
    await redis.start();
    await app.broker.ready();
    await beginEpoch(app.broker, 2);

    await app.reached(ids, 'COMPLETED');
  });

  test('hangs in one lane serves the other', async () => {
    await using high = await startPrivateRedis();
    await using app = await setupWorkers({ settings: { REDIS_PORT_HIGH: String(high.port), REDIS_TIMEOUT_MS: '200' } });
    app.start([defineTask({ type: 'work', handler: () => 1 })]);
    await app.reached(await app.submit(1, { priority: 'HIGH' }), 'COMPLETED');

    high.pause();
    const ids = await app.submit(30);
    const low = app.broker.low.shards[0];
    await waitFor(async () => low && (await low.lane.redis.xlen(`${low.tag}:events`)) > 0);
    high.resume();

    await app.reached(ids, 'COMPLETED');
  });
});
