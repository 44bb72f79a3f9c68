import { expect } from 'vitest';
import { loseEverything, serversOf } from '../../support/own-redis.ts';
import { waitFor } from '../../support/setup.ts';
import type { Harness } from '../harness.ts';

type Status = 'QUEUED' | 'PROCESSING' | 'COMPLETED';

const countOf = (h: Harness, queue: string, status: Status): Promise<number> =>
  h.system.app.database.task.count({ where: { queue, status } });

/** Waits until so many tasks of a queue are in this status. */
const inStatus = (h: Harness, queue: string, status: Status, count: number) =>
  waitFor(async () => (await countOf(h, queue, status)) === count, {
    what: `${count} tasks of ${queue} are ${status}`,
  });

const isGone = async (h: Harness, id: string): Promise<boolean> => !(await h.listed()).some((each) => each.id === id);

export const endsInOrder = async (h: Harness): Promise<void> => {
  const worker = await h.startWorker();
  expect(await worker.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(await isGone(h, worker.id)).toBe(true);
  // Redis forgets refusals when it starts again, as it does below.
  expect(await h.refusals()).toEqual([]);
};

export const handsBackWhatItCannotFinish = async (h: Harness): Promise<void> => {
  const serves = { WORKER_QUEUES: 'leaving', SHUTDOWN_GRACE_MS: '1200', LEASE_MS: '30000' };
  const worker = await h.startWorker(serves);
  const more = { queue: 'leaving', maxAttempts: 1 };
  const short = await h.system.submit(5, 'sleep', { ms: 500 }, more);
  const long = await h.system.submit(3, 'sleep', { ms: 60_000 }, more);
  const deaf = await h.submit('conformance.block', { ms: 60_000 }, more);
  await inStatus(h, 'leaving', 'QUEUED', 0);
  expect(await worker.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(await isGone(h, worker.id)).toBe(true);
  for (const id of short) expect(await h.ended(id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
  await inStatus(h, 'leaving', 'QUEUED', 4);
  await using next = (await h.startWorker(serves)).process;
  await inStatus(h, 'leaving', 'PROCESSING', 4);
  for (const id of [...long, deaf]) {
    expect(await h.trail(id)).toEqual(['QUEUED 0', 'PROCESSING 1', 'QUEUED 0', 'PROCESSING 1']);
  }
  for (const id of long) await h.cancel(id);
  for (const id of long) expect((await h.ended(id)).status).toBe('CANCELLED');
  // The deaf one is handed back once more: that one and the same worker does so twice is not an error.
  expect(await next.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  await h.cancel(deaf);
  expect((await h.ended(deaf)).status).toBe('CANCELLED');
};

export const losesNothingWhenItIsKilled = async (h: Harness): Promise<void> => {
  const serves = { WORKER_QUEUES: 'killed', HEARTBEAT_INTERVAL_SECONDS: '0.3' };
  const first = await h.startWorker(serves);
  const ids = await h.system.submit(10, 'sleep', { ms: 1_500 }, { queue: 'killed' });
  await inStatus(h, 'killed', 'PROCESSING', 10);
  await first.process.kill('SIGKILL');
  await using _ = (await h.startWorker(serves)).process;
  for (const id of ids) expect(await h.ended(id)).toMatchObject({ status: 'COMPLETED', attempt: 2 });
  // Three heartbeats late, by now or soon.
  await waitFor(() => isGone(h, first.id), { what: 'the dead worker is not listed' });
};

export const cannotChangeWhatItLost = async (h: Harness): Promise<void> => {
  const paused = await h.startWorker({ WORKER_QUEUES: 'paused,own' });
  const ids = await h.system.submit(5, 'sleep', { ms: 1_500 }, { queue: 'paused' });
  const failing = await h.submit('conformance.block', { ms: 1_500 }, { queue: 'paused', timeoutMs: 100 });
  await inStatus(h, 'paused', 'PROCESSING', 6);
  process.kill(paused.process.pid, 'SIGSTOP');
  await using _ = (await h.startWorker({ WORKER_QUEUES: 'paused' })).process;
  for (const id of [...ids, failing]) expect(await h.ended(id)).toMatchObject({ status: 'COMPLETED', attempt: 2 });
  process.kill(paused.process.pid, 'SIGCONT');
  // It wakes with everything due at once. When its slots are free and it serves another task, it has given up the old ones.
  await waitFor(async () => (await h.listed()).find(({ id }) => id === paused.id)?.running === 0, {
    what: 'the paused worker has let go',
  });
  expect((await h.ended(await h.submit('echo', 'back', { queue: 'own' }))).result).toBe('back');
  const trail = ['QUEUED 0', 'PROCESSING 1', 'QUEUED 1', 'PROCESSING 2', 'COMPLETED 2'];
  for (const id of [...ids, failing]) expect(await h.trail(id)).toEqual(trail);
  await paused.process.kill('SIGTERM');
};

/** A worker with one slot, whose handler is deaf: it serves another task only if the slot of the lost one is free. */
export const freesTheSlotOfWhatItLost = async (h: Harness): Promise<void> => {
  const worker = await h.startWorker({ WORKER_CONCURRENCY: '1', WORKER_QUEUES: 'deaf' });
  const blockedAt = performance.now();
  const lost = await h.submit('conformance.block', { ms: 15_000 }, { queue: 'deaf' });
  await inStatus(h, 'deaf', 'PROCESSING', 1);
  process.kill(worker.process.pid, 'SIGSTOP');
  await inStatus(h, 'deaf', 'QUEUED', 1);
  await h.cancel(lost);
  process.kill(worker.process.pid, 'SIGCONT');
  expect(await h.ended(await h.submit('echo', 'next', { queue: 'deaf' }))).toMatchObject({ result: 'next' });
  expect(performance.now() - blockedAt).toBeLessThan(15_000);
  expect(await worker.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(await h.trail(lost)).toEqual(['QUEUED 0', 'PROCESSING 1', 'QUEUED 1', 'CANCELLED 1']);
};

export const goesOnWhenRedisIsBack = async (h: Harness): Promise<void> => {
  await using _ = (await h.startWorker()).process;
  await h.system.submit(300, 'sleep', { ms: 100 }, { queue: 'restart' });
  await waitFor(async () => (await countOf(h, 'restart', 'PROCESSING')) > 0, { what: 'it is in the middle' });
  await h.redis.kill();
  // One that starts now waits for Redis.
  const late = h.spawnWorker();
  await h.system.submit(100, 'echo', 'while it was down', { queue: 'restart' });
  await h.redis.start();
  expect(await h.system.settle(30_000)).toEqual([]);
  await waitFor(async () => (await h.listed()).length >= 2, { what: 'both workers are listed' });
  expect(await late.kill('SIGTERM')).toEqual({ code: 0, signal: null });
};

export const goesOnWhenRedisLostEverything = async (h: Harness): Promise<void> => {
  await using worker = (await h.startWorker()).process;
  await h.system.submit(300, 'sleep', { ms: 100 }, { queue: 'flush' });
  await h.system.submit(50, 'sleep', { ms: 100 }, { queue: 'flush', priority: 'HIGH' });
  await waitFor(async () => (await countOf(h, 'flush', 'COMPLETED')) > 50, { what: 'it is in the middle' });
  await h.system.app.broker.ready();
  await loseEverything(h.system.app.broker, { functions: true });
  expect(await h.system.settle(30_000)).toEqual([]);
  expect(await countOf(h, 'flush', 'COMPLETED')).toBe(350);
  await waitFor(async () => (await h.listed()).length === 1, { what: 'the worker is listed again' });
  expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null });
};

const MANY = 10_000;

/** How many functions Redis has run, in all its servers. */
const functionCalls = async (h: Harness): Promise<number> => {
  const stats = (await serversOf(h.system.app.broker)).map((redis) => redis.info('commandstats'));
  const calls = (await Promise.all(stats)).map((text) => Number(/^cmdstat_fcall:calls=(\d+)/m.exec(text)?.[1]));
  return calls.reduce((sum, each) => sum + each, 0);
};

export const losesAndDoublesNothingOfMany = async (h: Harness): Promise<void> => {
  await using _ = (await h.startWorker({ WORKER_CONCURRENCY: '200' })).process;
  const callsBefore = await functionCalls(h);
  const bulks = Array.from({ length: 10 }, (_, i) =>
    h.system.submit(MANY / 10, 'echo', { bulk: i }, { queue: 'many', priority: i % 3 === 0 ? 'HIGH' : 'NORMAL' }),
  );
  const ids = (await Promise.all(bulks)).flat();
  expect(new Set(ids).size).toBe(MANY);
  expect(await h.system.settle(60_000)).toEqual([]);
  expect(await countOf(h, 'many', 'COMPLETED')).toBe(MANY);
  // One call to claim and one to report each would be 20,000.
  expect((await functionCalls(h)) - callsBefore).toBeLessThan(MANY / 4);
  const tasks = await h.system.app.database.task.findMany({ where: { queue: 'many' }, select: { attempt: true } });
  expect(tasks.every(({ attempt }) => attempt === 1)).toBe(true);
};

export const refusesFaultySettings = async (h: Harness): Promise<void> => {
  await using worker = h.spawnWorker({ LEASE_MS: 'soon' });
  const { code } = await worker.exit;
  expect(code).toBeGreaterThan(0);
  expect(worker.output()).toContain('LEASE_MS');
};
