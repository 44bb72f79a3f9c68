import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RealtimeRouter } from '../../src/realtime/router.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import { TaskSnapshots } from '../../src/tasks/task-snapshots.ts';
import { readChanges, readPositions } from '../../src/tasks/task-store.ts';
import { type ChangeServices, type WatchedChange, watchChanges } from '../../src/tasks/watch-changes.ts';
import { range } from '../support/changes.ts';
import { type Factory, silent, taskInput } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';

let app: FactoryApp;
let factory: Factory;
let services: ChangeServices;
let router: RealtimeRouter;
let ownerId: string;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
});
afterAll(() => app.close());
beforeEach(async () => {
  const { database } = app;
  router = new RealtimeRouter(app.broker, {
    readChanges: (owner, after, limit) => readChanges(database, owner, after, limit),
    readPositions: (owners) => readPositions(database, owners),
    subscriberBuffer: 10_000,
    logger: silent,
  });
  services = { database, router, snapshots: new TaskSnapshots(database) };
  ownerId = await factory.owner();
});
afterEach(() => router.close(new Error('the test is over')));

const submit = (count: number) =>
  submitTasks(
    factory.services,
    ownerId,
    Array.from({ length: count }, () => taskInput()),
  );
const watch = (after?: string) => watchChanges(services, ownerId, { where: {}, after, withTask: false });

const takePositions = async (source: AsyncIterator<WatchedChange>, count: number): Promise<number[]> => {
  const positions: number[] = [];
  while (positions.length < count) {
    const { value, done } = await source.next();
    if (done) throw new Error(`ended after ${positions.length}`);
    positions.push(value.change.position);
  }
  return positions;
};

test('changes cannot be filtered by payload', async () => {
  const where = { payload: [{ path: 'n', equals: 1 }] };
  const wait = watchChanges(services, ownerId, { where, withTask: false });
  await expect(wait).rejects.toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'where.payload' } });
});

describe("watching an owner's changes", () => {
  test('leaves nothing behind where it cannot begin', async () => {
    const database = new Proxy(app.database, {
      get: (target, name) => {
        if (name === '$queryRaw') return () => Promise.reject(new Error('PostgreSQL is away'));
        return Reflect.get(target, name);
      },
    });
    const wait = watchChanges({ ...services, database }, ownerId, { where: {}, after: '1000', withTask: false });
    await expect(wait).rejects.toThrow('PostgreSQL is away');
    expect(router.figures().subscribers).toBe(0);
  });

  test('begins with what comes from now on', async () => {
    await submit(3);
    const watching = await watch();
    await submit(2);
    expect(await takePositions(watching, 2)).toEqual([4, 5]);
    await watching.return?.();
  });

  test.each(['0', '7', '499', '500', '501', '1200'])(
    'resumes after %s while more come in, without gap or repetition',
    async (after) => {
      await submit(1_200);
      const watching = await watch(after);
      const submitting = Promise.all(Array.from({ length: 40 }, () => submit(25)));
      const expected = range(Number(after) + 1, 2_200);
      expect(await takePositions(watching, expected.length)).toEqual(expected);
      await submitting;
      await watching.return?.();
    },
  );

  test('gives the same to a second subscriber who comes in the middle', async () => {
    const submitting = Promise.all(Array.from({ length: 40 }, () => submit(25)));
    const first = await watch('0');
    const positions = await takePositions(first, 300);
    const second = await watch('0');
    expect([...positions, ...(await takePositions(first, 700))]).toEqual(range(1, 1_000));
    expect(await takePositions(second, 1_000)).toEqual(range(1, 1_000));
    await submitting;
    await Promise.all([first.return?.(), second.return?.()]);
  });

  test('refuses a cursor ahead of all changes: PostgreSQL has lost what it stood for', async () => {
    await submit(3);
    await expect(watch('4')).rejects.toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'after' } });
    expect(router.figures().subscribers).toBe(0);
  });

  test('takes the cursor of a change that this node has not heard of yet', async () => {
    const first = await watch();
    await takePositions(first, (await submit(3)).length);
    await app.database.ownerFeed.update({ where: { ownerId }, data: { position: 4 } });
    const watching = await watch('4');
    await submit(1);
    expect(await takePositions(watching, 1)).toEqual([5]);
    await Promise.all([first.return?.(), watching.return?.()]);
  });

  test('ends at once when it is left while it waits', async () => {
    const watching = await watch();
    const waiting = watching.next();
    await watching.return?.();
    expect(await waiting).toEqual({ value: undefined, done: true });
  });

  test.each(['-1', '1.5', 'x', '', '1'.repeat(16)])('refuses %j, which is no cursor', async (after) => {
    await expect(watch(after)).rejects.toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'after' } });
  });
});
