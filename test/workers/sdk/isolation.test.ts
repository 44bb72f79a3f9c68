import pino from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cancel, reap } from '../../../src/broker/calls.ts';
import { eventsKey } from '../../../src/broker/keys.ts';
import type { Attempt } from '../../../workers/runtime/attempt.ts';
import { defineTask } from '../../../workers/runtime/define-task.ts';
import { Isolation, type IsolationOptions } from '../../../workers/runtime/isolation.ts';
import { SideReporter } from '../../../workers/runtime/side-reporter.ts';
import { attemptOf } from '../../support/attempts.ts';
import { silent } from '../../support/factory.ts';
import { waitFor } from '../../support/setup.ts';
import { setupWorkers, type WorkerApp } from '../runtime/worker-setup.ts';
import { broken, describe as describeContext, obedient, spin } from './tasks/isolated.ts';

const errorOf = (data: string | undefined) => JSON.parse(data ?? '') as { message: string; code?: string };

/** Progress and log lines of a task as they stand in the stream. */
const sideEntries = async ({ broker: { low } }: WorkerApp, id: string): Promise<string[]> => {
  const entries = await low.redis.xrange(eventsKey(low.shards[0]?.tag ?? ''), '-', '+');
  return entries.flatMap(([, [, , kind, text = '']]) => (kind === 't' || !text.includes(id) ? [] : [text]));
};

/** The task's handler runs: what it says of itself has arrived. */
const isUnderWay = (app: WorkerApp, id: string) =>
  waitFor(async () => (await sideEntries(app, id)).some((text) => text.includes('spinning')), {
    what: 'the handler runs',
  });

describe('an isolated task', () => {
  test('has the context that others have', async () => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'describe', payload: {}, queue: 'mail', maxAttempts: 5 });
    const lines: string[] = [];
    app.start([describeContext], { logger: pino({ level: 'info' }, { write: (line) => void lines.push(line) }) });
    const [completed] = await app.reached([id], 'COMPLETED');
    expect(JSON.parse(completed?.data ?? '')).toEqual({
      text: 'ok',
      payload: { n: 7 },
      aborted: false,
      taskId: id,
      attempt: 1,
      maxAttempts: 5,
      ownerId: 'owner',
      queue: 'mail',
      parents: {},
    });
    const own = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'from the thread');
    expect(own).toMatchObject({ level: 30, n: 7, taskId: id, type: 'describe', attempt: 1 });
    const said = await sideEntries(app, id);
    expect(said).toContainEqual(expect.stringMatching(/50\t.*"step":"half"/));
    expect(said).toContainEqual(expect.stringMatching(/"level":"warn","message":"careful"/));
  });

  test('neither blocks the loop nor other tasks', async () => {
    await using app = await setupWorkers();
    const [slow = ''] = await app.submit(1, { type: 'spin', payload: { ms: 60_000 }, timeoutMs: 120_000 });
    app.start([spin, defineTask({ type: 'work', handler: () => 'quick' })]);
    await isUnderWay(app, slow);
    await app.reached(await app.submit(20), 'COMPLETED');
    expect(await app.history(slow)).toEqual(['PROCESSING 1']);
  });

  test('is killed soon after its deadline, and fails with TIMEOUT', async () => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'spin', payload: { ms: 600_000 }, timeoutMs: 100, maxAttempts: 1 });
    app.start([spin], { threads: 1 });
    const [failed] = await app.reached([id], 'FAILED');
    expect(errorOf(failed?.data)).toEqual({ code: 'TIMEOUT', message: 'the attempt did not end within 100 ms' });
    // The only thread is free again.
    await app.reached(await app.submit(1, { type: 'spin', payload: { ms: 1 } }), 'COMPLETED');
  });

  test('is killed when it is cancelled', async () => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'spin', payload: { ms: 600_000 } });
    const worker = app.start([spin], { threads: 1 });
    await isUnderWay(app, id);
    const shard = app.broker.shardFor('NORMAL', id);
    await cancel(shard, { deadlineMs: 60_000 }, [{ id, reason: '"enough"' }]);
    await app.reached([id], 'CANCELLED');
    await waitFor(() => worker.running === 0);
    await app.reached(await app.submit(1, { type: 'spin', payload: { ms: 1 } }), 'COMPLETED');
  });

  test('is killed when its lease is lost', async () => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'spin', payload: { ms: 600_000 }, maxAttempts: 1 });
    const worker = app.start([spin], { threads: 1, concurrency: 1, leaseMs: 300 });
    await isUnderWay(app, id);
    const shard = app.broker.shardFor('NORMAL', id);
    // As the reaper does when a lease has run out.
    await shard.lane.redis.zadd(`${shard.tag}:leases`, 0, id);
    expect(await reap(shard, { limit: 10 })).toBe(1);
    await app.reached(await app.submit(1, { type: 'spin', payload: { ms: 1 } }), 'COMPLETED');
    await waitFor(() => worker.running === 0);
    expect(await app.history(id)).toEqual(['PROCESSING 1', 'FAILED 1']);
  });

  test('hears why it shall end, and its last word counts when it obeys', async () => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'obedient', timeoutMs: 50 });
    app.start([obedient]);
    const [completed] = await app.reached([id], 'COMPLETED');
    expect(JSON.parse(completed?.data ?? '')).toEqual({
      name: 'AttemptTimeoutError',
      message: 'the attempt did not end within 50 ms',
      code: 'TIMEOUT',
    });
  });

  test('fails as others do, whatever it throws', async () => {
    await using app = await setupWorkers();
    const submit = async (payload: string) => (await app.submit(1, { type: 'broken', payload }))[0] ?? '';
    const [never, later, plain, big] = await Promise.all(['never', 'later', 'throw', 'unstorable'].map(submit));
    app.start([broken]);
    const failed = await app.reached([never ?? '', big ?? ''], 'FAILED');
    const scheduled = await app.reached([later ?? '', plain ?? ''], 'SCHEDULED');
    const of = (id: string | undefined) => [...failed, ...scheduled].find(({ taskId }) => taskId === id);
    expect(errorOf(of(never)?.data)).toMatchObject({ message: 'wrong', code: 'WRONG' });
    expect(errorOf(of(big)?.data)).toMatchObject({ code: 'RESULT_NOT_SERIALIZABLE' });
    expect(errorOf(of(plain)?.data)).toMatchObject({ message: 'broken', code: 'EBROKEN', stack: /isolated\.ts/ });
    expect(of(later)?.runAtMs).toBe((of(later)?.atMs ?? 0) + 60_000);
  });

  test.each([
    ['exit', /exited with code: 3/],
    ['uncaught', /out of nowhere/],
    ['hoard', /memory limit/],
  ])('that ends its thread (%s) fails alone', async (payload, complaint) => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'broken', payload, maxAttempts: 1 });
    const others = await app.submit(4, { type: 'broken', payload: 'fine' });
    app.start([broken], { threads: 2, threadMemoryMb: 64 });
    const [failed] = await app.reached([id], 'FAILED');
    expect(errorOf(failed?.data).message).toMatch(complaint);
    await app.reached(others, 'COMPLETED');
  });

  test('is handed back when the worker stops, and killed', async () => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'spin', payload: { ms: 600_000 } });
    const worker = app.start([spin]);
    await isUnderWay(app, id);
    await worker.stop({ graceMs: 0 });
    expect((await app.history(id)).at(-1)).toMatch(/^QUEUED/);
  });

  test.each(['"fine"', '"throw"', '"exit"'])('is watched no longer than it runs (%s)', async (payload) => {
    const watched = new Set<Attempt>();
    let count = 0;
    const deadlines: IsolationOptions['deadlines'] = {
      watch: (attempt) => {
        count++;
        watched.add(attempt);
      },
      forget: (attempt) => void watched.delete(attempt),
    };
    const isolation = new Isolation({ threads: 1, deadlines, side: new SideReporter(silent), logger: silent });
    onTestFinished(() => isolation.close());
    await isolation.run(attemptOf({ type: 'broken', payload, timeoutMs: 3_600_000 }), broken).catch(() => undefined);
    expect(count).toBe(1);
    expect([...watched]).toEqual([]);
  });

  test('needs a module that a thread can load', async () => {
    await using app = await setupWorkers();
    const task = defineTask({ type: 'work', isolate: true, handler: () => 1 });
    expect(() => app.start([task])).toThrow(/work .*import\.meta\.url/);
  });
});
