import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findPython } from '../support/python.ts';
import { spawnCommand, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/graphql_worker.py', import.meta.url));

const workersOf = async (system: System) =>
  (await system.graphql<{ workers: { language: string }[] }>('{ workers { language queues concurrency } }')).workers;

test('the example of a worker without Redis claims, reports, waits and leaves', { timeout: 90_000 }, async () => {
  // The example says every 10 s that it lives.
  await using system = await startSystem({ settings: { HEARTBEAT_INTERVAL_SECONDS: '30' } });
  await system.start('manager');
  // Before the type is known, no payload is refused.
  const [faulty] = await system.submit(1, 'words.count', {}, { maxAttempts: 1 });
  await system.submit(30, 'words.count', { text: 'three short words' });
  const { createApiKey } = await system.graphql<{ createApiKey: { secret: string } }>(
    'mutation { createApiKey(input: { name: "example", scopes: [WORKER] }) { secret } }',
  );
  const worker = spawnCommand(findPython(), [EXAMPLE], {
    TASKFLOW_URL: `${system.url}/graphql`,
    TASKFLOW_KEY: createApiKey.secret,
  });
  expect(await system.settle()).toEqual([]);
  expect(await system.countByStatus()).toEqual({ COMPLETED: 30, FAILED: 1 });
  const failed = await system.app.database.task.findUniqueOrThrow({ where: { id: faulty as string } });
  expect(failed.error).toMatchObject({ message: "'text'", stack: expect.stringContaining('KeyError') });
  expect(await workersOf(system)).toEqual([{ language: 'python', queues: ['*'], concurrency: 8 }]);
  await expect(system.submit(1, 'words.count', { text: 5 })).rejects.toThrow(/payload\.text/);

  const [later] = await system.submit(1, 'words.count', { text: 'it was asleep' });
  expect(await system.settle()).toEqual([]);
  const woken = await system.app.database.task.findUniqueOrThrow({ where: { id: later as string } });
  expect(woken).toMatchObject({ status: 'COMPLETED', result: { words: 3 } });

  expect(await worker.kill()).toEqual({ code: 0, signal: null });
  await waitFor(async () => (await workersOf(system)).length === 0, { what: 'it is no longer listed' });
});
