import { expect } from 'vitest';
import type { Harness } from '../harness.ts';

const QUICKLY = { backoff: { kind: 'FIXED', delayMs: 10, jitter: 0 } };

export const saysWhatWasThrown = async (h: Harness): Promise<void> => {
  const message = 'no such file: "Größe"\nsecond line';
  const id = await h.submit('conformance.error', { message, code: 'ENOENT', retry: 'never' });
  const { status, attempt, error } = await h.ended(id);
  expect({ status, attempt }).toEqual({ status: 'FAILED', attempt: 1 });
  expect(error).toMatchObject({ message, code: 'ENOENT' });
  if (h.kind.hasStacks) expect(error?.stack).toMatch(/\n.*conformance/);
};

export const saysNoCodeWhereThereIsNone = async (h: Harness): Promise<void> => {
  const id = await h.submit('conformance.error', { message: 'plain', retry: 'never' });
  expect((await h.ended(id)).error).toMatchObject({ message: 'plain', code: null });
};

export const cutsLongMessages = async (h: Harness): Promise<void> => {
  const payload = { message: 'ü'.repeat(10_000), code: 'C'.repeat(500), retry: 'never' };
  const { error } = await h.ended(await h.submit('conformance.error', payload));
  expect(error?.message).toMatch(/^ü+…$/);
  expect(error?.message.length).toBeLessThanOrEqual(4_000);
  expect(error?.message.length).toBeGreaterThan(1_900);
  expect(error?.code).toMatch(/^C+…$/);
  expect(error?.code?.length).toBeLessThanOrEqual(100);
};

export const triesAgain = async (h: Harness): Promise<void> => {
  const id = await h.submit('fail', { message: 'not yet', untilAttempt: 3 }, QUICKLY);
  expect(await h.ended(id)).toMatchObject({ status: 'COMPLETED', attempt: 3, result: { attempt: 3 } });
  const again = ['SCHEDULED', 'QUEUED'];
  expect(await h.trail(id)).toEqual([
    'QUEUED 0',
    'PROCESSING 1',
    ...again.map((status) => `${status} 1`),
    'PROCESSING 2',
    ...again.map((status) => `${status} 2`),
    'PROCESSING 3',
    'COMPLETED 3',
  ]);
};

export const givesUpAfterTheLastAttempt = async (h: Harness): Promise<void> => {
  const payload = { message: 'never works', code: 'E_NEVER', retry: 'default' };
  const id = await h.submit('conformance.error', payload, { ...QUICKLY, maxAttempts: 2 });
  expect(await h.ended(id)).toMatchObject({
    status: 'FAILED',
    attempt: 2,
    error: { message: 'never works', code: 'E_NEVER' },
  });
};

/** How long after its first failure a task is due again, in ms, by Redis's clock. */
const delayOf = async (h: Harness, payload: object): Promise<number> => {
  for await (const { id, status, runAt } of h.watchNew('conformance.error', payload)) {
    if (status !== 'SCHEDULED') continue;
    const failure = await h.system.app.database.taskEvent.findFirstOrThrow({
      where: { taskId: id, status },
      orderBy: { seq: 'asc' },
    });
    // On a slow machine it may have failed for good meanwhile.
    await h.cancel(id).catch(() => undefined);
    return Date.parse(runAt ?? '') - failure.at.getTime();
  }
  throw new Error('it was not tried again');
};

export const leavesTheDelayToTheTask = async (h: Harness): Promise<void> => {
  // 1 s, half of it random.
  const delay = await delayOf(h, { message: 'again', retry: 'default' });
  expect(delay).toBeGreaterThanOrEqual(500);
  expect(delay).toBeLessThanOrEqual(1_000);
};

export const asksForItsOwnDelay = async (h: Harness): Promise<void> => {
  expect(await delayOf(h, { message: 'later', retry: 'after', delayMs: 54_321 })).toBe(54_321);
};

/** Submitted before any worker had announced what its payload must be. */
export const refusesAPayloadThatDoesNotFit = async (h: Harness, early: { misfit: string }): Promise<void> => {
  expect(await h.ended(early.misfit)).toMatchObject({
    status: 'FAILED',
    attempt: 1,
    error: { code: 'INVALID_PAYLOAD' },
  });
};

export const announcesWhatPayloadsMustBe = async (h: Harness): Promise<void> => {
  await expect(h.submit('sleep', { ms: 'long' })).rejects.toThrow('payload.ms');
  await expect(h.submit('fail', {})).rejects.toThrow('payload.message');
  await expect(h.submit('conformance.unheard-of', {})).rejects.toThrow('No worker has announced');
};
