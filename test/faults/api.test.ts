import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { spawnNode, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';
import { watchChanges } from '../support/watched-changes.ts';

const CRASH = fileURLToPath(new URL('../support/crash-before-enqueue.ts', import.meta.url));

describe('an api is killed between the commit and the enqueue', () => {
  test('its tasks run all the same, once', { timeout: 120_000 }, async () => {
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
    await waitFor(() => watched.seen().length >= 30, { what: 'all transitions are delivered' });
    const seqs = Map.groupBy(
      watched.seen().map((line) => line.split(' ')),
      ([id]) => id,
    );
    const inOrder = ['1', '2', '3'];
    expect([...seqs.values()].map((lines) => lines.map(([, seq]) => seq))).toEqual(Array(10).fill(inOrder));
    await watched.end();
  });
});
