import { describe, expect, test } from 'vitest';
import { builtInTasks } from '../../../workers/tasks/index.ts';
import { runTask } from './support.ts';

const task = (type: string) => builtInTasks({ filesDir: '' }).find((one) => one.type === type);

describe('the built-in tasks', () => {
  test('have the names that the contract gives them', () => {
    expect(builtInTasks({ filesDir: '' }).map(({ type }) => type)).toEqual([
      'echo',
      'sleep',
      'fail',
      'csv.profile',
      'text.stats',
      'image.thumbnail',
    ]);
    // http.request is off until somebody may be asked.
    expect(builtInTasks({ filesDir: '', allowedHosts: ['example.com'] }).map(({ type }) => type)).toContain(
      'http.request',
    );
  });
});

describe('echo', () => {
  test('returns its payload, whatever it is', async () => {
    for (const payload of [null, 0, 'text', [1, { a: [] }]])
      expect(await runTask(task('echo'), payload)).toEqual(payload);
  });
});

describe('sleep', () => {
  test('sleeps as long as it was asked to, in as many steps', async () => {
    const startedAt = performance.now();
    expect(await runTask(task('sleep'), { ms: 30, steps: 3 })).toEqual({ ms: 30 });
    // Timers may fire up to a millisecond early.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(27);
  });

  test('stops at once when it is told to', async () => {
    const controller = new AbortController();
    const sleeping = runTask(task('sleep'), { ms: 3_600_000 }, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(sleeping).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'enough' } });
  });

  test('refuses nonsense, and more than an hour', async () => {
    for (const payload of [
      {},
      { ms: -1 },
      { ms: 1.5 },
      { ms: 3_600_001 },
      { ms: 1, steps: 0 },
      { ms: 1, steps: 1_001 },
    ]) {
      await expect(runTask(task('sleep'), payload)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
  });
});

describe('fail', () => {
  test('fails with the message that it was given', async () => {
    await expect(runTask(task('fail'), { message: 'as asked' })).rejects.toThrow('as asked');
    await expect(runTask(task('fail'), { message: 'as asked', untilAttempt: 3 }, { attempt: 2 })).rejects.toThrow(
      'as asked',
    );
  });

  test('succeeds from the given attempt on', async () => {
    expect(await runTask(task('fail'), { message: 'as asked', untilAttempt: 3 }, { attempt: 3 })).toEqual({
      attempt: 3,
    });
  });
});
