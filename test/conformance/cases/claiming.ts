import { hostname } from 'node:os';
import { expect } from 'vitest';
import { waitFor } from '../../support/setup.ts';
import type { ConformanceWorker, Harness } from '../harness.ts';

export const tellsHandlersWhatTheyRun = async (h: Harness): Promise<void> => {
  const id = await h.submit('conformance.context', null, { queue: 'a.queue-1', maxAttempts: 7 });
  expect((await h.ended(id)).result).toEqual({
    taskId: id,
    attempt: 1,
    maxAttempts: 7,
    queue: 'a.queue-1',
    ownerId: h.system.ownerId,
    traceparent: null,
  });
  expect((await h.ended(await h.submit('conformance.parents', null))).result).toEqual({});
};

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

export const tellsHandlersTheTrace = async (h: Harness): Promise<void> => {
  const traceparent = `00-${TRACE_ID}-b7ad6b7169203331-01`;
  const id = await h.submitTraced('conformance.context', traceparent);
  const seen = (await h.ended(id)).result as { traceparent: string };
  expect(seen.traceparent).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
  // Of a span that the api or the worker made.
  expect(seen.traceparent).not.toBe(traceparent);
};

export const servesBothLanes = async (h: Harness): Promise<void> => {
  const ids = await Promise.all(
    ['HIGH', 'NORMAL', 'LOW'].map((priority) =>
      h.submit('echo', priority, { priority, queue: `of-${priority}`.toLowerCase() }),
    ),
  );
  expect(await Promise.all(ids.map(async (id) => (await h.ended(id)).result))).toEqual(['HIGH', 'NORMAL', 'LOW']);
};

export const leavesPausedQueuesAlone = async (h: Harness): Promise<void> => {
  await h.pause('held');
  const held = await h.submit('echo', 'held', { queue: 'held' });
  // One that came later is done, so the worker has looked.
  await h.ended(await h.submit('echo', 'later', { queue: 'open' }));
  expect(await h.trail(held)).toEqual(['QUEUED 0']);
  await h.resume('held');
  expect(await h.ended(held)).toMatchObject({ status: 'COMPLETED', result: 'held' });
};

export const isListed = async (h: Harness, _early: unknown, worker: ConformanceWorker): Promise<void> => {
  const find = async () => (await h.listed()).find(({ id }) => id === worker.id);
  const first = await find();
  expect(first).toMatchObject({
    language: h.kind.language,
    host: hostname(),
    queues: ['*'],
    concurrency: 50,
    running: expect.any(Number),
  });
  await waitFor(async () => ((await find())?.lastHeartbeatAt ?? '') > (first?.lastHeartbeatAt ?? ''), {
    what: 'there is another heartbeat',
  });
};

const CREATE_FLOW = `mutation ($input: CreateFlowInput!) { createFlow(input: $input) { tasks { name task { id } } } }`;

interface Flow {
  createFlow: { tasks: { name: string; task: { id: string } }[] };
}

export const tellsWhatBecameOfParents = async (h: Harness): Promise<void> => {
  const tasks = [
    { name: 'good', type: 'echo', payload: { ключ: ['ü', null, 1.5] } },
    { name: 'bad', type: 'conformance.error', payload: { message: 'größer', code: 'E_BAD', retry: 'never' } },
    { name: 'child', type: 'conformance.parents', dependsOn: ['good', 'bad'], onParentFailure: 'RUN' },
  ];
  const { createFlow } = await h.system.graphql<Flow>(CREATE_FLOW, { input: { name: 'family', tasks } });
  const { good, bad, child } = Object.fromEntries(createFlow.tasks.map(({ name, task }) => [name, task.id]));
  expect(await h.ended(child as string)).toMatchObject({
    status: 'COMPLETED',
    result: {
      good: { taskId: good, status: 'COMPLETED', result: { ключ: ['ü', null, 1.5] } },
      bad: { taskId: bad, status: 'FAILED', error: { message: 'größer', code: 'E_BAD' } },
    },
  });
};

/** The most tasks of a queue that ran at the same time, by Redis's clock. Within a millisecond, ends come first. */
const mostAtOnce = async (h: Harness, queue: string): Promise<number> => {
  const tasks = await h.system.app.database.task.findMany({ where: { queue }, select: { id: true } });
  const events = await h.system.app.database.taskEvent.findMany({
    where: { taskId: { in: tasks.map(({ id }) => id) }, status: { in: ['PROCESSING', 'COMPLETED'] } },
    orderBy: [{ at: 'asc' }, { status: 'desc' }],
  });
  let running = 0;
  let most = 0;
  for (const { status } of events) {
    running += status === 'PROCESSING' ? 1 : -1;
    most = Math.max(most, running);
  }
  return most;
};

export const runsAsManyAsItsConcurrency = async (h: Harness): Promise<void> => {
  await using _ = (await h.startWorker({ WORKER_CONCURRENCY: '4', WORKER_QUEUES: 'four,another' })).process;
  const ids = [
    ...(await h.system.submit(8, 'sleep', { ms: 300 }, { queue: 'four' })),
    ...(await h.system.submit(4, 'sleep', { ms: 300 }, { queue: 'four', priority: 'HIGH' })),
  ];
  const other = await h.submit('echo', 1, { queue: 'another' });
  for (const id of [...ids, other]) expect((await h.ended(id)).status).toBe('COMPLETED');
  expect(await mostAtOnce(h, 'four')).toBe(4);
};

export const keepsTheLimitOfAQueue = async (h: Harness): Promise<void> => {
  await using _ = (await h.startWorker({ WORKER_CONCURRENCY: '6', WORKER_QUEUES: 'free,two:2' })).process;
  // Long enough for both slots to be filled while the machine has much else to do.
  const limited = await h.system.submit(6, 'sleep', { ms: 600 }, { queue: 'two' });
  const free = await h.system.submit(4, 'sleep', { ms: 200 }, { queue: 'free' });
  for (const id of [...limited, ...free]) expect((await h.ended(id)).status).toBe('COMPLETED');
  expect(await mostAtOnce(h, 'two')).toBe(2);
};

/** One after the other, so that a worker that polled would take its interval for each. Tokens that a full worker gets are passed on. */
export const isWokenAtOnce = async (h: Harness): Promise<void> => {
  const serves = { WORKER_QUEUES: 'wake', WORKER_CONCURRENCY: '1' };
  await using _full = (await h.startWorker(serves)).process;
  const long = await h.submit('sleep', { ms: 60_000 }, { queue: 'wake' });
  await h.reached(long, ({ status }) => status === 'PROCESSING');
  await using _idle = (await h.startWorker(serves)).process;
  const startedAt = performance.now();
  for (let n = 0; n < 10; n++) await h.ended(await h.submit('echo', n, { queue: 'wake' }));
  // The managers leave tokens once a second where tasks wait, in case one was lost.
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  await h.cancel(long);
};
