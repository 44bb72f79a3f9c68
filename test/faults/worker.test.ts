import { describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

// All of these count attempts, and a primary that fails takes one from whatever runs.
describe.skipIf(primariesFail())('a worker that dies', () => {
  test('loses its tasks to another, and the audit trail shows both attempts', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const first = await system.start('worker');
    await system.submit(50, 'sleep', { ms: 3_000 });
    await waitFor(async () => (await system.countByStatus()).PROCESSING === 50, {
      what: 'the first worker has all tasks',
    });
    await first.kill('SIGKILL');
    await system.start('worker');
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 50 });
    const events = await system.app.database.taskEvent.findMany({
      where: { ownerId: system.ownerId },
      orderBy: { seq: 'asc' },
    });
    const trails = Map.groupBy(events, ({ taskId }) => taskId);
    expect(trails.size).toBe(50);
    for (const trail of trails.values()) {
      expect(trail.map(({ status, attempt }) => `${status} ${attempt}`)).toEqual([
        'QUEUED 0',
        'PROCESSING 1',
        'QUEUED 1',
        'PROCESSING 2',
        'COMPLETED 2',
      ]);
      expect(trail[2]?.detail).toEqual({ reason: 'LEASE_EXPIRED' });
      expect(trail[3]?.workerId).not.toBe(trail[1]?.workerId);
    }
  });
});

describe.skipIf(primariesFail())('a worker that was only paused', () => {
  test('cannot change the outcome when it comes back late', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const paused = await system.start('worker');
    await system.submit(20, 'sleep', { ms: 1_500 });
    await waitFor(async () => (await system.countByStatus()).PROCESSING === 20, {
      what: 'the first worker has all tasks',
    });
    process.kill(paused.pid, 'SIGSTOP');
    await system.start('worker');
    expect(await system.settle()).toEqual([]);
    const before = await system.app.database.task.findMany({
      where: { ownerId: system.ownerId },
      orderBy: { id: 'asc' },
    });
    process.kill(paused.pid, 'SIGCONT');
    // It wakes with all its timers due, and reports at once.
    await paused.waitForOutput(/lease/i);
    const [marker] = await system.submit(1, 'echo', 'after');
    await waitFor(
      async () =>
        (await system.app.database.task.findUnique({ where: { id: marker as string } }))?.status === 'COMPLETED',
    );
    const after = await system.app.database.task.findMany({
      where: { ownerId: system.ownerId, id: { not: marker as string } },
      orderBy: { id: 'asc' },
    });
    expect(after).toEqual(before);
    expect(after.every(({ attempt, workerId }) => attempt === 2 && workerId !== null)).toBe(true);
    expect(await system.settle()).toEqual([]);
  });
});

describe.skipIf(primariesFail())('a worker that is told to stop', () => {
  test('lets running tasks end, and hands the rest back without using up an attempt', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const worker = await system.start('worker', { SHUTDOWN_GRACE_MS: '1500', LEASE_MS: '30000' });
    const short = await system.submit(5, 'sleep', { ms: 1_000 });
    const long = await system.submit(5, 'sleep', { ms: 20_000 }, { maxAttempts: 1 });
    await waitFor(async () => (await system.countByStatus()).PROCESSING === 10, { what: 'the worker has all tasks' });
    expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    const statusOf = async (ids: string[]): Promise<string[]> =>
      (await system.app.database.task.findMany({ where: { id: { in: ids } } })).map(
        ({ status, attempt }) => `${status} ${attempt}`,
      );
    await waitFor(async () => (await system.countByStatus()).QUEUED === 5, { what: 'the long tasks are handed back' });
    expect(new Set(await statusOf(short))).toEqual(new Set(['COMPLETED 1']));
    expect(new Set(await statusOf(long))).toEqual(new Set(['QUEUED 0']));
  });
});
