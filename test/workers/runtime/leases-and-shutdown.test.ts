import { describe, expect, test } from 'vitest';
import { reap } from '../../../src/broker/calls.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { defineTask } from '../../../workers/runtime/define-task.ts';
import { waitFor } from '../../support/setup.ts';
import { setupWorkers } from './worker-setup.ts';

/** Lets the lease of a task run out and takes the task back, as the reaper does. */
const takeBack = async (shard: Shard, id: string): Promise<void> => {
  await shard.lane.redis.zadd(`${shard.tag}:leases`, 0, id);
  expect(await reap(shard, { limit: 10 })).toBe(1);
};

/** A task that ends when the test says so, or with its signal. */
const controlled = () => {
  const started: { finish: (result: unknown) => void; signal: AbortSignal; attempt: number }[] = [];
  const task = defineTask({
    type: 'work',
    handler: ({ signal, attempt }) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        started.push({ finish: resolve, signal, attempt });
      }),
  });
  const begun = (count: number) =>
    waitFor(() => started.length === count && started, { what: `${count} handlers run` });
  return { task, begun };
};

describe('a lost lease', () => {
  test('aborts the handler, and nothing is reported for it', async () => {
    await using app = await setupWorkers();
    const { task, begun } = controlled();
    const [id = ''] = await app.submit(1);
    // With one slot, taken, only the extension of leases can find out.
    const worker = app.start([task], { concurrency: 1, leaseMs: 300 });
    const [first] = await begun(1);

    await takeBack(app.broker.shardFor('NORMAL', id), id);

    const [, second] = await begun(2);
    expect(first?.signal.reason).toMatchObject({ name: 'LeaseLostError' });
    expect(second?.attempt).toBe(2);
    second?.finish('second');
    await app.reached([id], 'COMPLETED');
    expect(await app.history(id)).toEqual(['PROCESSING 1', 'QUEUED 1', 'PROCESSING 2', 'COMPLETED 2']);
    await waitFor(() => worker.running === 0);
  });

  test('is noticed when the same worker is given the task again', async () => {
    await using app = await setupWorkers();
    const { task, begun } = controlled();
    const [id = ''] = await app.submit(1);
    app.start([task]);
    await begun(1);

    await takeBack(app.broker.shardFor('NORMAL', id), id);

    const [first, second] = await begun(2);
    expect(first?.signal.reason).toMatchObject({ name: 'LeaseLostError' });
    first?.finish('first');
    second?.finish('second');
    const [completed] = await app.reached([id], 'COMPLETED');
    expect(completed).toMatchObject({ data: '"second"', attempt: 2 });
  });

  test('is a normal result of reporting', async () => {
    await using app = await setupWorkers();
    const { task, begun } = controlled();
    const [id = ''] = await app.submit(1, { maxAttempts: 1 });
    const worker = app.start([task]);
    const [first] = await begun(1);

    await takeBack(app.broker.shardFor('NORMAL', id), id);
    first?.finish('too late');

    await waitFor(() => worker.running === 0);
    expect(await app.history(id)).toEqual(['PROCESSING 1', 'FAILED 1']);
  });

  test('does not happen while the worker extends it', async () => {
    await using app = await setupWorkers();
    const { task, begun } = controlled();
    const [id = ''] = await app.submit(1);
    const shard = app.broker.shardFor('NORMAL', id);
    app.start([task], { leaseMs: 300 });
    const [first] = await begun(1);
    const expiry = async () => Number(await shard.lane.redis.zscore(`${shard.tag}:leases`, id));
    const before = await expiry();

    await waitFor(async () => (await expiry()) > before + 300, { what: 'the lease was extended twice' });

    expect(await reap(shard, { limit: 10 })).toBe(0);
    first?.finish('in time');
    await app.reached([id], 'COMPLETED');
  });
});

describe('a shutdown', () => {
  test('lets running tasks finish and claims no more', async () => {
    await using app = await setupWorkers();
    const { task, begun } = controlled();
    const ids = await app.submit(2);
    const worker = app.start([task], { concurrency: 2 });
    const running = await begun(2);

    const stopped = worker.stop({ graceMs: 10_000 });
    const late = await app.submit(1);
    for (const one of running) one.finish('finished');
    await stopped;

    expect((await app.reached(ids, 'COMPLETED')).map(({ data }) => data)).toEqual(['"finished"', '"finished"']);
    expect(await app.history(late[0] ?? '')).toEqual([]);
    expect(worker.running).toBe(0);
  });

  test('hands back what does not finish in time, without using up an attempt', async () => {
    await using app = await setupWorkers();
    const { task, begun } = controlled();
    const deaf = defineTask({ type: 'deaf', handler: () => new Promise(() => {}) });
    const ids = [
      ...(await app.submit(2, { maxAttempts: 1 })),
      ...(await app.submit(1, { type: 'deaf', priority: 'HIGH' })),
    ];
    const worker = app.start([task, deaf]);
    const [one] = await begun(2);
    await waitFor(() => worker.running === 3);

    await worker.stop({ graceMs: 10 });

    expect(one?.signal.reason).toMatchObject({ name: 'WorkerStoppingError' });
    for (const id of ids) expect(await app.history(id)).toEqual(['PROCESSING 1', 'QUEUED 0']);
    app.start([defineTask({ type: 'work', handler: () => 1 }), defineTask({ type: 'deaf', handler: () => 1 })]);
    expect((await app.reached(ids, 'COMPLETED')).map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  test('hands back what a claim on its way still brings', async () => {
    await using app = await setupWorkers();
    const ids = await app.submit(5, { priority: 'HIGH' });
    let runs = 0;
    const worker = app.start([defineTask({ type: 'work', handler: () => runs++ })]);
    // The claim goes out in a microtask; its answer takes at least a turn of the event loop.
    await Promise.resolve();

    await worker.stop({ graceMs: 10_000 });

    expect(runs).toBe(0);
    for (const id of ids) expect(await app.history(id)).toEqual(['PROCESSING 1', 'QUEUED 0']);
  });

  test('loses no wake-up, and may be asked for twice', async () => {
    await using app = await setupWorkers();
    const task = defineTask({ type: 'work', handler: () => 1 });
    for (let i = 0; i < 5; i++) {
      const first = app.start([task]);
      const ids = await Promise.all([app.submit(1), first.stop({ graceMs: 1_000 }), first.stop({ graceMs: 0 })]);
      app.start([task]);
      const startedAt = performance.now();
      await app.reached(ids[0], 'COMPLETED');
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    }
  });
});
