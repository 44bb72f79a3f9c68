import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { DoNotRetryError, defineTask, RetryAfterError } from '../../../workers/runtime/define-task.ts';
import { startPrivateRedis, waitFor } from '../../support/setup.ts';
import { setupWorkers } from './worker-setup.ts';

describe('a worker', () => {
  test('runs tasks with their payloads and reports their results', async () => {
    await using app = await setupWorkers();
    const double = defineTask({
      type: 'work',
      payload: z.object({ n: z.number() }),
      handler: ({ payload }) => payload.n * 2,
    });
    const [id] = await app.submit(1, { payload: { n: 21 } });

    const worker = app.start([double]);

    const [completed] = await app.reached([id ?? ''], 'COMPLETED');
    expect(completed).toMatchObject({ data: '42', attempt: 1, workerId: worker.id, ownerId: 'owner' });
    expect(await app.history(id ?? '')).toEqual(['PROCESSING 1', 'COMPLETED 1']);
    await waitFor(() => worker.running === 0);
  });

  test('tells a handler which attempt it is', async () => {
    await using app = await setupWorkers();
    const ids = await app.submit(1, { maxAttempts: 7, queue: 'mail' });
    const handler = defineTask({
      type: 'work',
      handler: ({ taskId, attempt, maxAttempts, ownerId, queue, signal, logger }) => {
        logger.debug('looking at everything');
        return [taskId, attempt, maxAttempts, ownerId, queue, signal.aborted];
      },
    });

    app.start([handler]);

    const [completed] = await app.reached(ids, 'COMPLETED');
    expect(JSON.parse(completed?.data ?? '')).toEqual([ids[0], 1, 7, 'owner', 'mail', false]);
  });

  test('claims only its types, from its queues', async () => {
    await using app = await setupWorkers();
    const other = await app.submit(1, { type: 'other', queue: 'a' });
    const elsewhere = await app.submit(1, { queue: 'c' });
    const ids = [...(await app.submit(2, { queue: 'a' })), ...(await app.submit(2, { queue: 'b', priority: 'HIGH' }))];

    app.start([defineTask({ type: 'work', handler: () => 1 })], { queues: ['a', 'b'] });

    await app.reached(ids, 'COMPLETED');
    for (const id of [...other, ...elsewhere]) expect(await app.history(id)).toEqual([]);
  });

  test('serves all shards of both lanes', async () => {
    await using app = await setupWorkers({ settings: { SHARDS_PER_LANE: '4' } });
    const ids = [...(await app.submit(100, { priority: 'HIGH' })), ...(await app.submit(100, { priority: 'LOW' }))];

    const worker = app.start([defineTask({ type: 'work', handler: () => 1 })]);

    await app.reached(ids, 'COMPLETED');
    await waitFor(() => worker.running === 0);
  });

  test('runs at most as many tasks at once as it is allowed to, and that many', async () => {
    await using app = await setupWorkers();
    const ids = await app.submit(40);
    let most = 0;
    let waiting: (() => void)[] = [];
    // Nobody ends before four run.
    const handler = () =>
      new Promise<void>((done) => {
        most = Math.max(most, waiting.push(done));
        if (waiting.length < 4) return;
        for (const end of waiting) end();
        waiting = [];
      });

    app.start([defineTask({ type: 'work', handler })], { concurrency: 4 });

    await app.reached(ids, 'COMPLETED');
    expect(most).toBe(4);
  });

  test('schedules a failed task again, keeps its error, and ends one that must not be tried again', async () => {
    await using app = await setupWorkers();
    const [plain] = await app.submit(1, { payload: 'plain' });
    const [later] = await app.submit(1, { payload: 'later' });
    const [never] = await app.submit(1, { payload: 'never' });
    const handler = ({ payload }: { payload: unknown }) => {
      if (payload === 'later') throw new RetryAfterError('busy', 60_000, { code: 'BUSY' });
      if (payload === 'never') throw new DoNotRetryError('wrong', { code: 'WRONG' });
      throw Object.assign(new Error('broken\tpipe'), { code: 'EPIPE' });
    };

    app.start([defineTask({ type: 'work', handler })]);

    const scheduled = await app.reached([plain ?? '', later ?? ''], 'SCHEDULED');
    const failed = await app.reached([never ?? ''], 'FAILED');
    const first = scheduled.find(({ taskId }) => taskId === plain);
    expect(JSON.parse(first?.data ?? '')).toMatchObject({
      message: 'broken\tpipe',
      code: 'EPIPE',
      stack: expect.stringContaining('handler'),
    });
    const second = scheduled.find(({ taskId }) => taskId === later);
    expect(second?.runAtMs).toBe((second?.atMs ?? 0) + 60_000);
    expect(JSON.parse(failed[0]?.data ?? '')).toMatchObject({ message: 'wrong', code: 'WRONG' });
  });

  test('ends an attempt at its deadline and frees its slot, even if the handler never ends', async () => {
    await using app = await setupWorkers();
    const [hanging] = await app.submit(1, { timeoutMs: 50, maxAttempts: 1, payload: 'hang' });
    const [next] = await app.submit(1, { timeoutMs: 10_000 });
    let reason: unknown;
    const handler = ({ payload, signal }: { payload: unknown; signal: AbortSignal }) => {
      signal.addEventListener('abort', () => (reason = signal.reason));
      return payload === 'hang' ? new Promise(() => {}) : 'ended';
    };

    app.start([defineTask({ type: 'work', handler })], { concurrency: 1 });

    const [failed] = await app.reached([hanging ?? ''], 'FAILED');
    expect(JSON.parse(failed?.data ?? '')).toEqual({
      code: 'TIMEOUT',
      message: 'the attempt did not end within 50 ms',
    });
    expect(reason).toMatchObject({ name: 'AttemptTimeoutError' });
    await app.reached([next ?? ''], 'COMPLETED');
  });

  test('refuses to start without task types, or with two of the same name', async () => {
    await using app = await setupWorkers();
    const task = defineTask({ type: 'work', handler: () => 1 });
    expect(() => app.start([])).toThrow(/at least one/);
    expect(() => app.start([task, task])).toThrow(/twice/);
  });
});

describe('the order of claims', () => {
  test('puts the high lane first, without starving the low one', async () => {
    await using app = await setupWorkers();
    const high = await app.submit(60, { priority: 'HIGH', payload: 'high' });
    const low = await app.submit(30, { priority: 'LOW', payload: 'low' });
    const normal = await app.submit(30, { payload: 'normal' });
    const order: unknown[] = [];

    app.start([defineTask({ type: 'work', handler: ({ payload }) => order.push(payload) })], { concurrency: 1 });

    await app.reached([...high, ...low, ...normal], 'COMPLETED');
    expect(order.slice(0, 7)).toEqual(Array(7).fill('high'));
    const whileHighWaits = order.slice(0, order.lastIndexOf('high'));
    expect(whileHighWaits.filter((one) => one === 'high').length / whileHighWaits.length).toBeGreaterThan(0.8);
    // Every eighth claim begins at the other end.
    expect(order.slice(0, 16).filter((one) => one === 'low')).toHaveLength(2);
  });
});

describe('an idle worker', () => {
  test('is woken by a submission, and does not wait for a timer', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setupWorkers({ redis });
    let onStart: (at: number) => void = () => {};
    app.start([defineTask({ type: 'work', handler: () => onStart(performance.now()) })]);
    const delays: number[] = [];
    for (let i = 0; i < 11; i++) {
      await app.asleep(2);
      const started = new Promise<number>((resolve) => (onStart = resolve));
      const submittedAt = performance.now();
      await app.submit(1, { priority: i % 2 === 0 ? 'HIGH' : 'NORMAL' });
      delays.push((await started) - submittedAt);
    }
    // About 1 ms; the safety net would take 5,000.
    expect(delays.sort((a, b) => a - b)[5]).toBeLessThan(50);
  });

  test('leaves a wake-up that it cannot use to another worker', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setupWorkers({ redis });
    const task = defineTask({
      type: 'work',
      handler: ({ payload, signal }) =>
        payload === 'long' ? new Promise((done) => signal.addEventListener('abort', done)) : 1,
    });
    const full = app.start([task], { concurrency: 1 });
    await app.asleep(2);
    await app.submit(1, { priority: 'HIGH', payload: 'long' });
    await waitFor(() => full.running === 1);
    const idle = app.start([task]);
    await app.asleep(3);

    // Redis wakes who has waited longest, and that one is full.
    const startedAt = performance.now();
    const [completed] = await app.reached(await app.submit(1), 'COMPLETED');

    expect(completed?.workerId).toBe(idle.id);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('the calls of a worker', () => {
  test('carry many tasks each', async () => {
    await using app = await setupWorkers();
    const ids = await app.submit(2_000);
    const calls = vi.spyOn(app.broker.low.redis, 'fcall');

    app.start([defineTask({ type: 'work', handler: async () => 1 })], { concurrency: 400 });

    await app.reached(ids, 'COMPLETED');
    const named = (name: string) => calls.mock.calls.filter(([called]) => called === `tf1_${name}`).length;
    expect(named('complete')).toBeLessThanOrEqual(20);
    // The last one finds nothing, and one more may, after a token that was left.
    expect(named('claim')).toBeLessThanOrEqual(20);
  });
});
