import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;

beforeAll(async () => {
  system = await startSystem({ settings: { CANCEL_GRACE_MS: '1000' } });
  await system.start('manager');
  await system.start('worker');
}, 120_000);
afterAll(() => system[Symbol.asyncDispose]());

interface Seen {
  status: string;
  attempt: number;
  progress: number | null;
  progressDetail: unknown;
  cancelReason: string | null;
  cancelRequestedAt: string | null;
  error: { message: string; code: string | null } | null;
}

const WATCH = `subscription ($id: ID!) {
  taskUpdated(id: $id) { status attempt progress progressDetail cancelReason cancelRequestedAt error { message code } }
}`;

/** Everything that a subscriber sees of a task, until its end. */
const watch = async (id: string, onEach: (seen: Seen) => void = () => {}): Promise<Seen[]> => {
  const socket = system.socket();
  const all: Seen[] = [];
  for await (const { data } of socket.iterate<{ taskUpdated: Seen }>({ query: WATCH, variables: { id } })) {
    if (!data) continue;
    all.push(data.taskUpdated);
    onEach(data.taskUpdated);
  }
  await socket.dispose();
  return all;
};

const submitOne = async (type: string, payload: unknown, more = {}): Promise<string> =>
  (await system.submit(1, type, payload, more))[0] as string;

const cancel = (id: string, reason?: string) =>
  system.graphql<{ cancelTask: { status: string; cancelRequestedAt: string | null } }>(
    'mutation ($id: ID!, $reason: String) { cancelTask(id: $id, reason: $reason) { status cancelRequestedAt } }',
    { id, reason },
  );

// Those that are left out while primaries fail know each transition, or value of progress, beforehand.
describe('cancelling', () => {
  test.skipIf(primariesFail())(
    'a running task tells its handler at once, and subscribers see the request and the end',
    async () => {
      const id = await submitOne('sleep', { ms: 60_000 });
      let askedAt = 0;
      let cancelling: Promise<unknown> = Promise.resolve();
      const seen = await watch(id, ({ status, cancelRequestedAt }) => {
        if (status !== 'PROCESSING' || cancelRequestedAt) return;
        askedAt = performance.now();
        cancelling = cancel(id, 'changed my mind');
      });
      expect(performance.now() - askedAt).toBeLessThan(5_000);
      await cancelling;
      // Whether the first state is still QUEUED depends on who is faster.
      expect(seen.slice(-3).map(({ status, cancelReason }) => `${status} ${cancelReason}`)).toEqual([
        'PROCESSING null',
        'PROCESSING changed my mind',
        'CANCELLED changed my mind',
      ]);
    },
  );

  test('a waiting task ends it at once, and an ended one is a CONFLICT that names its state', async () => {
    const id = await submitOne('echo', 1, { runAt: new Date(Date.now() + 60_000).toISOString() });
    expect(await cancel(id)).toEqual({ cancelTask: { status: 'CANCELLED', cancelRequestedAt: null } });
    await expect(cancel(id)).rejects.toThrow('CANCELLED');
  });

  test.skipIf(primariesFail())('and putting back runs the task anew', async () => {
    const id = await submitOne('echo', 'again', { runAt: new Date(Date.now() + 60_000).toISOString() });
    await cancel(id);
    const { retryTask } = await system.graphql<{ retryTask: { status: string; attempt: number } }>(
      'mutation ($id: ID!) { retryTask(id: $id) { status attempt } }',
      { id },
    );
    expect(retryTask).toEqual({ status: 'QUEUED', attempt: 0 });
    await waitFor(async () => (await system.app.database.task.findUnique({ where: { id } }))?.status === 'COMPLETED');
    const events = await system.app.database.taskEvent.findMany({ where: { taskId: id }, orderBy: { seq: 'asc' } });
    expect(events.map(({ status }) => status)).toEqual(['SCHEDULED', 'CANCELLED', 'QUEUED', 'PROCESSING', 'COMPLETED']);
  });
});

describe('a failed task', () => {
  test.skipIf(primariesFail())(
    'waits as its backoff says, then is a dead letter that can be put back with its attempts counted anew',
    async () => {
      const backoff = { kind: 'FIXED', delayMs: 50, jitter: 0 };
      const id = await submitOne('fail', { message: 'not yet', untilAttempt: 3 }, { maxAttempts: 2, backoff });
      const seen = await watch(id);
      const trail = await system.app.database.taskEvent.findMany({ where: { taskId: id }, orderBy: { seq: 'asc' } });
      expect(trail.map(({ status, attempt }) => `${status} ${attempt}`)).toEqual([
        'QUEUED 0',
        'PROCESSING 1',
        'SCHEDULED 1',
        'QUEUED 1',
        'PROCESSING 2',
        'FAILED 2',
      ]);
      expect(seen.at(-1)?.error?.message).toBe('not yet');
      const [event] = await system.app.database.taskEvent.findMany({ where: { taskId: id, status: 'SCHEDULED' } });
      const task = await system.app.database.task.findUniqueOrThrow({ where: { id } });
      expect((task.runAt?.getTime() ?? 0) - (event?.at.getTime() ?? 0)).toBe(50);
      expect(await system.app.database.deadLetter.count({ where: { taskId: id } })).toBe(1);
      await system.graphql('mutation ($id: ID!) { retryTask(id: $id) { id } }', { id });
      expect(await system.app.database.deadLetter.count({ where: { taskId: id } })).toBe(0);
      await waitFor(async () => (await system.app.database.deadLetter.count({ where: { taskId: id } })) === 1, {
        what: 'it has failed again',
      });
      const again = await system.app.database.task.findUniqueOrThrow({ where: { id } });
      expect(again).toMatchObject({ status: 'FAILED', attempt: 2, seq: 12 });
    },
  );
});

describe('a task that takes too long', () => {
  test('is told to stop, and counts as failed with code TIMEOUT', async () => {
    const id = await submitOne('sleep', { ms: 60_000 }, { timeoutMs: 200, maxAttempts: 1 });
    const seen = await watch(id);
    expect(seen.at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'TIMEOUT' } });
  });
});

describe('progress', () => {
  test.skipIf(primariesFail())('comes live between the transitions, and the last value is kept', async () => {
    const id = await submitOne('sleep', { ms: 1_500, steps: 5 });
    const seen = await watch(id);
    const live = seen.filter(({ status }) => status === 'PROCESSING').map(({ progress }) => progress);
    expect(live.slice(0, 4)).toEqual([null, 20, 40, 60]);
    expect(seen.find(({ progress }) => progress === 40)?.progressDetail).toEqual({ step: 2, steps: 5 });
    await waitFor(async () => (await system.app.database.task.findUnique({ where: { id } }))?.progress === 100, {
      what: 'the last value is kept',
    });
    const read = await system.graphql('query ($id: ID!) { task(id: $id) { progress progressDetail } }', { id });
    expect(read).toEqual({ task: { progress: 100, progressDetail: { step: 5, steps: 5 } } });
  });
});

describe('pausing a queue', () => {
  test('holds its tasks back until it is resumed', async () => {
    const setPaused = (field: 'pauseQueue' | 'resumeQueue') =>
      system.graphql<Record<string, { isPaused: boolean; counts: { queued: number } }>>(
        `mutation { ${field}(name: "held") { isPaused counts { queued } } }`,
      );
    expect(await setPaused('pauseQueue')).toMatchObject({ pauseQueue: { isPaused: true } });
    const id = await submitOne('echo', 1, { queue: 'held' });
    // Other queues go on: what is submitted later overtakes it.
    const other = await submitOne('echo', 2);
    await waitFor(
      async () => (await system.app.database.task.findUnique({ where: { id: other } }))?.status === 'COMPLETED',
    );
    expect((await system.app.database.task.findUnique({ where: { id } }))?.status).toBe('QUEUED');
    expect(await setPaused('resumeQueue')).toMatchObject({ resumeQueue: { isPaused: false } });
    await waitFor(async () => (await system.app.database.task.findUnique({ where: { id } }))?.status === 'COMPLETED');
  });
});

test('the books are right after all of this', async () => {
  const faults = await system.settle();
  // A task that was put back has ended more than once, and nothing else is wrong.
  expect(faults.filter((fault) => !/ended 2 times/.test(fault))).toEqual([]);
});
