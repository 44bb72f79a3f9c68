import { expect, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { makeNextRelease } from '../support/next-release.ts';
import { spawnNode, type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';
import { closeBooks } from './random/close-books.ts';
import { Submitter, Subscriber } from './random/load.ts';

type Name = 'api' | 'manager' | 'worker' | 'migrate';

/** A task that is submitted from now on runs through. */
const runsThrough = async (system: System, submitter: Submitter): Promise<void> => {
  const known = new Set(submitter.accepted);
  const id = await waitFor(() => [...submitter.accepted].find((each) => !known.has(each)), { what: 'one is accepted' });
  await waitFor(async () => (await system.app.database.task.findUnique({ where: { id } }))?.finishedAt != null, {
    what: 'a new task has ended',
  });
};

const askNext = async ({ app: { broker } }: System): Promise<unknown> => {
  const [shard] = broker.low.shards;
  return shard?.lane.redis.fcall('tf1_next', 1, shard.tag).catch((error: Error) => error.message);
};

const end = async (process: TestProcess): Promise<void> =>
  expect(await process.kill('SIGTERM'), process.output()).toEqual({ code: 0, signal: null });

test('processes of this release and of the next work side by side, in PostgreSQL and Redis of the next', {
  timeout: 240_000,
}, async () => {
  const cli = await makeNextRelease();
  await using system = await startSystem({ settings: { LEASE_MS: '15000' } });
  const port = await freePort();
  const next = async (name: Name): Promise<TestProcess> => {
    const process = spawnNode([cli, name], { ...system.app.env, PORT: String(port) });
    if (name !== 'migrate') await process.waitForOutput(/"msg":"started"/);
    return process;
  };
  const oldManager = await system.start('manager');
  const oldWorker = await system.start('worker');
  const credentials = { authorization: `Bearer ${system.token}` };
  const urls = [system.url, `http://127.0.0.1:${port}`];
  const submitter = new Submitter(urls, credentials);
  const subscribers = [new Subscriber(urls, credentials), new Subscriber(urls.toReversed(), credentials)];
  await runsThrough(system, submitter);

  const migrate = await next('migrate');
  expect(await migrate.exit, migrate.output()).toEqual({ code: 0, signal: null });
  await runsThrough(system, submitter);
  expect(await (await fetch(`${system.url}/readyz`)).text()).toContain('ok');

  const newManager = await next('manager');
  await end(oldManager);
  await waitFor(async () => (await askNext(system)) === 'next', { what: 'the newer functions are loaded' });
  await runsThrough(system, submitter);

  // An older one leads again: it is restarted, say, or the newer ones are.
  const oldAgain = await system.start('manager');
  await end(newManager);
  await oldAgain.waitForOutput(/rebuil|leads the shard/);
  await runsThrough(system, submitter);
  expect(await askNext(system)).toBe('next');

  const newWorker = await next('worker');
  await end(oldWorker);
  await next('api');
  await runsThrough(system, submitter);
  await end(system.api);
  await runsThrough(system, submitter);
  await system.start('worker');
  await end(newWorker);
  await runsThrough(system, submitter);
  await next('manager');
  await end(oldAgain);
  await runsThrough(system, submitter);

  await submitter.stop();
  await closeBooks(system.app.database, system.ownerId, submitter, subscribers, 30_000);
  await Promise.all(subscribers.map((subscriber) => subscriber.stop()));
  expect(await askNext(system)).toBe('next');
});
