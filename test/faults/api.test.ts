import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { spawnNode, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';
import { watchChanges } from '../support/watched-changes.ts';

const CRASH = fileURLToPath(new URL('../support/crash-before-enqueue.ts', import.meta.url));

describe('an api is killed between the commit and the enqueue', () => {
  // What runs when a primary fails runs again.
  test.skipIf(primariesFail())('its tasks run all the same, once', { timeout: 120_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    // Epochs are there once the manager leads; a task that ran through says so.
    await system.start('worker');
    await system.submit(1, 'echo', 'ready');
    expect(await system.settle()).toEqual([]);
    const crashed = spawnNode([CRASH, system.ownerId, '30'], system.app.env);
    expect(await crashed.exit, crashed.output()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await system.app.database.task.count({ where: { ownerId: system.ownerId } })).toBe(31);
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 31 });
    const runs = await system.app.database.taskEvent.count({
      where: { ownerId: system.ownerId, status: 'PROCESSING' },
    });
    expect(runs).toBe(31);
    await waitFor(async () => (await system.app.database.outbox.count()) === 0, { what: 'the outbox is empty' });
  });

  test('a subscriber sees every transition of such tasks, in order', { timeout: 120_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    await system.start('worker');
    await system.submit(1, 'echo', 'ready');
    expect(await system.settle()).toEqual([]);
    await using watched = watchChanges(system, '3');
    await spawnNode([CRASH, system.ownerId, '10'], system.app.env).exit;
    expect(await system.settle()).toEqual([]);
    const events = await system.app.database.taskEvent.findMany({
      where: { position: { gt: 3 } },
      orderBy: { position: 'asc' },
    });
    if (!primariesFail()) expect(events).toHaveLength(30);
    await waitFor(() => watched.seen().length >= events.length, { what: 'all transitions are delivered' });
    expect(watched.seen()).toEqual(events.map(({ taskId, seq }) => `${taskId} ${seq}`));
    await watched.end();
  });
});
