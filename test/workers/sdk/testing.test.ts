import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { DoNotRetryError, defineTask } from '../../../workers/sdk/index.ts';
import { runTask, startTestWorker } from '../../../workers/sdk/testing.ts';
import { waitFor } from '../../support/setup.ts';
import { setupWorkers } from '../runtime/worker-setup.ts';

const sum = defineTask({
  type: 'sum',
  payload: z.object({ numbers: z.array(z.number()).default([]) }),
  result: z.object({ sum: z.number(), at: z.date() }),
  handler: ({ payload, progress, log, attempt, parents }) => {
    progress(50, { step: 1 });
    log('info', 'adding', { count: payload.numbers.length, attempt });
    if (Object.keys(parents).length > 1) throw new DoNotRetryError('too many', { code: 'MANY' });
    return { sum: payload.numbers.reduce((a, b) => a + b, 0), at: new Date(0) };
  },
});

describe('running a handler', () => {
  test('gives its result as it would be kept, and what it said', async () => {
    const run = await runTask(sum, { numbers: [1, 2] }, { attempt: 2 });
    expectTypeOf(run.result).toEqualTypeOf<{ sum: number; at: string }>();
    expect(run).toEqual({
      result: { sum: 3, at: '1970-01-01T00:00:00.000Z' },
      progress: [{ percent: 50, detail: { step: 1 } }],
      logs: [{ level: 'info', message: 'adding', fields: { count: 2, attempt: 2 } }],
    });
  });

  test('fails as it would on a worker', async () => {
    await expect(runTask(sum, { numbers: 'x' })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    const parent = { taskId: 'p', status: 'COMPLETED' } as const;
    await expect(runTask(sum, {}, { parents: { a: parent, b: parent } })).rejects.toMatchObject({ code: 'MANY' });
    const wrong = defineTask({ type: 'x', result: z.number() as z.ZodType<unknown>, handler: () => 'text' });
    await expect(runTask(wrong, null)).rejects.toMatchObject({ code: 'INVALID_RESULT' });
    await expect(runTask(defineTask({ type: 'x', handler: () => 1n }), null)).rejects.toMatchObject({
      code: 'RESULT_NOT_SERIALIZABLE',
    });
  });

  test('hands over the signal that it is given', async () => {
    const task = defineTask({ type: 'x', handler: ({ signal }) => signal.aborted });
    expect((await runTask(task, null, { signal: AbortSignal.abort() })).result).toBe(true);
    expect((await runTask(task, null)).result).toBe(false);
  });
});

describe('a worker in process', () => {
  test('runs tasks with the settings that it is given, until it is disposed of', async () => {
    await using app = await setupWorkers();
    const [id = ''] = await app.submit(1, { type: 'sum', payload: { numbers: [1, 2, 3] }, queue: 'mail' });
    const [other = ''] = await app.submit(1, { type: 'sum', queue: 'other', payload: {} });
    {
      await using worker = startTestWorker({ tasks: [sum], queues: ['mail:2'], concurrency: 3, settings: app.env });
      const [completed] = await app.reached([id], 'COMPLETED');
      expect(completed?.workerId).toBe(worker.id);
      expect(JSON.parse(completed?.data ?? '')).toMatchObject({ sum: 6 });
      await waitFor(() => worker.running === 0);
    }
    expect(await app.history(other)).toEqual([]);
    expect(() => startTestWorker({ tasks: [sum], concurrency: 0, settings: app.env })).toThrow(/WORKER_CONCURRENCY/);
    expect(() => startTestWorker({ tasks: [], settings: app.env })).toThrow(/at least one/);
  });
});
