import { expect } from 'vitest';
import type { Harness, Seen } from '../harness.ts';

const isRunning = ({ status }: Seen): boolean => status === 'PROCESSING';
const msOf = ({ startedAt, finishedAt }: Seen): number => Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '');

export const stopsACancelledHandler = async (h: Harness): Promise<void> => {
  const id = await h.submit('sleep', { ms: 60_000 });
  await h.reached(id, isRunning);
  const askedAt = performance.now();
  await h.cancel(id);
  expect(await h.ended(id)).toMatchObject({ status: 'CANCELLED', attempt: 1, result: null });
  // Told at once, not with the next extension of its lease, after 10 s, or at the managers' deadline.
  expect(performance.now() - askedAt).toBeLessThan(3_000);
  expect(await h.trail(id)).toEqual(['QUEUED 0', 'PROCESSING 1', 'PROCESSING 1', 'CANCELLED 1']);
};

export const endsACancelledTaskWhoseHandlerGoesOn = async (h: Harness): Promise<void> => {
  const id = await h.submit('conformance.block', { ms: 1_000 });
  await h.reached(id, isRunning);
  await h.cancel(id);
  expect(await h.ended(id)).toMatchObject({ status: 'CANCELLED', result: null });
};

export const endsAHandlerInTime = async (h: Harness): Promise<void> => {
  const id = await h.submit('sleep', { ms: 60_000 }, { timeoutMs: 200, maxAttempts: 1 });
  const end = await h.ended(id);
  expect(end).toMatchObject({
    status: 'FAILED',
    attempt: 1,
    error: { code: 'TIMEOUT', message: 'the attempt did not end within 200 ms' },
  });
  // It is told to stop, not given up after its grace of 2 s.
  expect(msOf(end)).toBeGreaterThanOrEqual(200);
  expect(msOf(end)).toBeLessThan(1_900);
};

export const triesAgainAfterATimeout = async (h: Harness): Promise<void> => {
  const backoff = { kind: 'FIXED', delayMs: 0, jitter: 0 };
  const id = await h.submit('sleep', { ms: 60_000 }, { timeoutMs: 50, maxAttempts: 2, backoff });
  expect(await h.ended(id)).toMatchObject({ status: 'FAILED', attempt: 2, error: { code: 'TIMEOUT' } });
};

export const keepsAResultThatCameInTheGrace = async (h: Harness): Promise<void> => {
  const id = await h.submit('conformance.block', { ms: 600 }, { timeoutMs: 200, maxAttempts: 1 });
  expect(await h.ended(id)).toMatchObject({ status: 'COMPLETED', result: 'done' });
};

/** A worker with one slot, so that it serves others only if the slot is free. */
export const givesUpAHandlerThatBlocks = async (h: Harness): Promise<void> => {
  await using worker = (await h.startWorker({ WORKER_CONCURRENCY: '1', WORKER_QUEUES: 'narrow' })).process;
  const blocked = await h.submit(
    'conformance.block',
    { ms: 8_000 },
    { queue: 'narrow', timeoutMs: 100, maxAttempts: 1 },
  );
  const next = await h.submit('echo', 'next', { queue: 'narrow' });
  const end = await h.ended(blocked);
  expect(end).toMatchObject({ status: 'FAILED', error: { code: 'TIMEOUT' } });
  expect(msOf(end)).toBeGreaterThanOrEqual(2_000);
  expect(await h.ended(next)).toMatchObject({ status: 'COMPLETED', result: 'next' });
  // The first handler still blocks when the second is done: 8 s have not passed.
  expect(Date.now() - Date.parse(end.startedAt ?? '')).toBeLessThan(8_000);
  expect(worker.output()).not.toContain('unhandled');
};
