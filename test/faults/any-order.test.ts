import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type PrivateServer,
  startPrivatePostgres,
  startPrivateRedis,
  type TestProcess,
  waitFor,
} from '../support/setup.ts';
import { startSystem } from '../support/system.ts';
import { closeBooks } from './random/close-books.ts';
import { Submitter, Subscriber } from './random/load.ts';

const PARTS = ['api', 'manager', 'worker', 'Redis', 'PostgreSQL'] as const;
type Part = (typeof PARTS)[number];

const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const ROUNDS = 4;

/** Each part stops and starts once a round, in orders and with gaps (in ms) that the seed gives. */
const round = fc.record({
  stops: fc.shuffledSubarray([...PARTS], { minLength: PARTS.length }),
  starts: fc.shuffledSubarray([...PARTS], { minLength: PARTS.length }),
  gaps: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 2 * PARTS.length, maxLength: 2 * PARTS.length }),
});

interface Switch {
  stop(): Promise<unknown>;
  start(): Promise<unknown>;
}

const ofServer = (server: PrivateServer): Switch => ({ stop: () => server.stop(), start: () => server.start() });

/** @param start begins a process, which need not get far before it is stopped again */
const ofProcess = (running: TestProcess, start: () => Promise<TestProcess>): Switch => {
  let current = running;
  return {
    stop: async () => expect(await current.kill('SIGTERM'), current.output()).toEqual({ code: 0, signal: null }),
    start: async () => {
      current = await start();
    },
  };
};

test(`stopped and started in any order, processes and servers lose and double nothing (seed ${SEED})`, {
  timeout: 240_000,
}, async () => {
  await using redis = await startPrivateRedis();
  await using postgres = await startPrivatePostgres();
  await using system = await startSystem({ redis, postgres });
  const start = (name: 'api' | 'manager' | 'worker') => () => system.start(name);
  const switches: Record<Part, Switch> = {
    api: ofProcess(system.api, start('api')),
    manager: ofProcess(await system.start('manager'), start('manager')),
    worker: ofProcess(await system.start('worker'), start('worker')),
    Redis: ofServer(redis),
    PostgreSQL: ofServer(postgres),
  };
  const credentials = { authorization: `Bearer ${system.token}` };
  const submitter = new Submitter([system.url], credentials);
  const subscriber = new Subscriber([system.url], credentials);
  for (const { stops, starts, gaps } of fc.sample(round, { seed: SEED, numRuns: ROUNDS })) {
    const before = submitter.accepted.size;
    await waitFor(() => submitter.accepted.size > before, { what: 'tasks are under way', timeoutMs: 60_000 });
    const stopped = new Map<Part, Promise<unknown>>();
    for (const [i, part] of stops.entries()) {
      stopped.set(part, switches[part].stop());
      await delay(gaps[i]);
    }
    const started: Promise<unknown>[] = [];
    for (const [i, part] of starts.entries()) {
      started.push((stopped.get(part) as Promise<unknown>).then(() => switches[part].start()));
      await delay(gaps[PARTS.length + i]);
    }
    await Promise.all(started);
  }
  await submitter.stop();
  await closeBooks(system.app.database, system.ownerId, submitter, [subscriber], 60_000);
  await subscriber.stop();
});
