import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { StreamedTransition } from '../../src/broker/event-stream.ts';
import { OwnerFeed } from '../../src/realtime/owner-feed.ts';
import type { RealtimeRouter } from '../../src/realtime/router.ts';
import { readChanges, readPositions, type Task } from '../../src/tasks/task-store.ts';
import { type WatchServices, watchTask, watchTaskEvents } from '../../src/tasks/watch-tasks.ts';
import { recordAll, type Term } from '../../workers/manager/record-store.ts';
import type { Factory } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';
import { beginTermOf, completion, transitionOf } from '../support/transitions.ts';

let app: FactoryApp;
let factory: Factory;
let term: Term;
let feed: OwnerFeed;
let services: WatchServices;
let task: Task;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  term = await beginTermOf(app);
});
afterAll(() => app.close());
beforeEach(async () => {
  task = await factory.queued({ ownerId: await factory.owner() });
  const read = (ownerId: string, after: number, limit: number) => readChanges(app.database, ownerId, after, limit);
  const readPosition = async (ownerId: string) => (await readPositions(app.database, [ownerId])).get(ownerId) ?? 0;
  feed = new OwnerFeed(task.ownerId, { readChanges: read, readPosition, subscriberBuffer: 10, onError: () => {} });
  feed.startAt(1);
  // A router whose messages arrive when the test says so.
  const router = {
    subscribe: async (_ownerId: string, taskId?: string) => ({
      position: feed.position,
      changes: feed.subscribe(taskId),
    }),
    subscribeWithSide: async (_ownerId: string, taskId: string) => feed.subscribeWithSide(taskId),
  };
  services = { database: app.database, router: router as unknown as RealtimeRouter };
});

/** Records transitions, and hands them to subscribers. */
const announce = async (...transitions: StreamedTransition[]) => {
  const { changes } = await recordAll(app.database, term, transitions);
  for (const change of changes) feed.accept(change);
};

const collect = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
};

describe('watching a task', () => {
  test('gives it as it is, then after each transition as PostgreSQL has it, and ends with it', async () => {
    const watching = await watchTask(services, task.ownerId, task.id);
    const rows = [task];
    expect((await watching.next()).value).toEqual(task);
    const seen = collect(watching);
    const path = [
      transitionOf(task, 2, 'PROCESSING'),
      transitionOf(task, 3, 'SCHEDULED', { runAtMs: Date.now() + 1_000, data: '{"message":"no"}' }),
      transitionOf(task, 4, 'QUEUED'),
      transitionOf(task, 5, 'PROCESSING', { attempt: 2 }),
      transitionOf(task, 6, 'COMPLETED', { attempt: 2, data: '{"x":[1]}' }),
    ];
    for (const transition of path) {
      await announce(transition);
      rows.push(await factory.task(task.id));
    }
    expect(await seen).toEqual(rows.slice(1));
    expect(feed.isIdle).toBe(true);
  });

  test('that has ended gives it once', async () => {
    await announce(...completion(task));
    expect(await collect(await watchTask(services, task.ownerId, task.id))).toMatchObject([
      { status: 'COMPLETED', result: 'done' },
    ]);
    expect(feed.isIdle).toBe(true);
  });

  test('misses nothing of what happens before its first state is read, and repeats nothing', async () => {
    const watching = await watchTask(services, task.ownerId, task.id);
    await announce(transitionOf(task, 2, 'PROCESSING'));
    const first = await watching.next();
    expect(first.value).toMatchObject({ seq: 2 });
    await announce(transitionOf(task, 3, 'FAILED', { data: '{}' }));
    expect((await collect(watching)).map(({ seq }) => seq)).toEqual([3]);
  });

  test('finds it by an id in capitals', async () => {
    const watching = await watchTask(services, task.ownerId, task.id.toUpperCase());
    const seen = collect(watching);
    await announce(...completion(task));
    expect((await seen).at(-1)).toMatchObject({ status: 'COMPLETED' });
  });

  test.each(['watchTask', 'watchTaskEvents'])('of somebody else, or of nobody, is not found: %s', async (which) => {
    const watch = (ownerId: string | undefined, id: string) =>
      which === 'watchTask' ? watchTask(services, ownerId, id) : watchTaskEvents(services, ownerId, id, 0);
    await expect(watch(uuidv7(), task.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(watch(task.ownerId, uuidv7())).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(watch(task.ownerId, 'no-id')).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'id' },
    });
    expect(feed.isIdle).toBe(true);
    await (await watch(undefined, task.id)).return?.();
  });

  test.each([
    ['a task', () => watchTask(services, task.ownerId, task.id)],
    ["a task's events", () => watchTaskEvents(services, task.ownerId, task.id, 0)],
  ])('ends at once for who leaves %s, before the first value and while waiting', async (_, watch) => {
    const unread = (await watch()) as AsyncIterableIterator<unknown>;
    await unread.return?.();
    expect(await unread.next()).toEqual({ value: undefined, done: true });
    expect(feed.isIdle).toBe(true);

    const watching = (await watch()) as AsyncIterableIterator<unknown>;
    await watching.next();
    const waiting = watching.next();
    await watching.return?.();
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(feed.isIdle).toBe(true);
  });

  test('of a subscriber who is too slow ends with an error, and unsubscribes', async () => {
    const watching = await watchTask(services, task.ownerId, task.id);
    await watching.next();
    const steps = Array.from({ length: 12 }, (_, i) =>
      transitionOf(task, i + 2, i % 2 === 0 ? 'PROCESSING' : 'QUEUED'),
    );
    await announce(...steps);
    await expect(watching.next()).rejects.toMatchObject({ code: 'SLOW_CONSUMER' });
    expect(feed.isIdle).toBe(true);
  });
});

describe("watching a task's events", () => {
  test('gives past ones, then those to come, as PostgreSQL has them, and ends with the task', async () => {
    await announce(
      transitionOf(task, 2, 'PROCESSING'),
      transitionOf(task, 3, 'QUEUED', { data: '{"reason":"RELEASED"}' }),
    );
    const seen = collect(await watchTaskEvents(services, task.ownerId, task.id, 0));
    await announce(transitionOf(task, 4, 'PROCESSING'));
    await announce(transitionOf(task, 5, 'COMPLETED', { data: '1', workerId: 'w' }));
    const omit = { ownerId: true, position: true } as const;
    const rows = await app.database.taskEvent.findMany({ where: { taskId: task.id }, orderBy: { seq: 'asc' }, omit });
    expect((await seen).map((event) => ({ ...event, ownerId: undefined, position: undefined }))).toEqual(rows);
    expect(feed.isIdle).toBe(true);
  });

  test.each([1, 2, 3, 7])('resumes after number %i', async (afterSeq) => {
    await announce(transitionOf(task, 2, 'PROCESSING'));
    const seen = collect(await watchTaskEvents(services, task.ownerId, task.id, afterSeq));
    await announce(transitionOf(task, 3, 'QUEUED'), transitionOf(task, 4, 'PROCESSING'));
    await announce(transitionOf(task, 5, 'FAILED', { data: '{"message":"no"}' }));
    expect((await seen).map(({ seq }) => seq)).toEqual([2, 3, 4, 5].filter((seq) => seq > afterSeq));
  });

  test.each([0, 2, 3])('of a task that has ended are those after number %i', async (afterSeq) => {
    await announce(...completion(task));
    const seen = await collect(await watchTaskEvents(services, task.ownerId, task.id, afterSeq));
    expect(seen.map(({ seq }) => seq)).toEqual([1, 2, 3].filter((seq) => seq > afterSeq));
    expect(feed.isIdle).toBe(true);
  });

  test('each come once, though they are announced while the past ones are read', async () => {
    const watching = await watchTaskEvents(services, task.ownerId, task.id, 0);
    await announce(transitionOf(task, 2, 'PROCESSING'));
    expect((await watching.next()).value).toMatchObject({ seq: 1 });
    await announce(transitionOf(task, 3, 'COMPLETED', { data: '1' }));
    expect((await collect(watching)).map(({ seq }) => seq)).toEqual([2, 3]);
  });
});
