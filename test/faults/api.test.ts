import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { spawnNode, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

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
    const socket = system.socket();
    const seen = new Map<string, number[]>();
    const changes = socket.iterate<{ taskChanges: { event: { taskId: string; seq: number } } }>({
      query: 'subscription { taskChanges(after: "3") { event { taskId seq } } }',
    });
    const watching = (async () => {
      for await (const { data } of changes) {
        if (!data) continue;
        const { taskId, seq } = data.taskChanges.event;
        seen.set(taskId, [...(seen.get(taskId) ?? []), seq]);
      }
    })();
    await spawnNode([CRASH, system.ownerId, '10'], system.app.env).exit;
    expect(await system.settle()).toEqual([]);
    const isDone = (): boolean => [...seen.values()].filter((seqs) => seqs.length === 3).length === 10;
    await waitFor(isDone, { what: 'all transitions are delivered' });
    expect([...seen.values()]).toEqual(Array.from({ length: 10 }, () => [1, 2, 3]));
    await socket.dispose();
    await watching;
  });
});
