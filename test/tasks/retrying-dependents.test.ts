import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { retryWithin } from '../../src/tasks/retry-tasks.ts';
import type { Task } from '../../src/tasks/task-store.ts';
import { childOf, Dependents } from '../support/dependencies.ts';
import { Factory } from '../support/factory.ts';
import { setup, type TestApp } from '../support/setup.ts';

let app: TestApp;
let factory: Factory;
let dependents: Dependents;

beforeAll(async () => {
  app = await setup();
  factory = new Factory(app);
  await factory.openShards();
  dependents = new Dependents(app, factory);
});
afterAll(async () => {
  await factory.close();
  await app.close();
});

const submit: Dependents['submit'] = (more) => dependents.submit(more);
const isInBroker = (task: Task): Promise<boolean> => dependents.isInBroker(task);
const nothingIsLeft = (): Promise<void> => dependents.expectNothingLeft();

describe('retrying parents and children together', () => {
  const retryAll = async (tasks: readonly Task[]): Promise<void> => {
    const { services, writer } = factory;
    const ids = tasks.map(({ id }) => id);
    const { afterCommit } = await app.database.$transaction((session) =>
      retryWithin(session, services.taskWriter, undefined, ids, writer.knownEpochs(), { waits: true }),
    );
    afterCommit();
    await writer.close();
  };

  test('lets the children wait again, for the new ends', async () => {
    const [completing, failing] = [await submit(), await submit()];
    const child = await submit(childOf(completing, failing));
    const grandchild = await submit(childOf(child));
    await dependents.end(completing, { result: 1 });
    await dependents.end(failing, { error: { message: 'no' } });
    await dependents.resolve();
    await retryAll([failing, child, grandchild]);
    await dependents.resolve();
    expect(await dependents.statuses([failing, child, grandchild])).toEqual(['QUEUED', 'WAITING', 'WAITING']);
    expect(await dependents.parentEnds(child)).toEqual(['COMPLETED', null]);
    expect(await isInBroker(child)).toBe(false);

    await dependents.end(failing, { result: 'mended' });
    await dependents.resolve();
    const { parents: told } = await dependents.end(child, {});
    expect(JSON.parse(told)).toEqual({
      [completing.id]: { taskId: completing.id, status: 'COMPLETED', result: 1 },
      [failing.id]: { taskId: failing.id, status: 'COMPLETED', result: 'mended' },
    });
    await dependents.resolve();
    await dependents.end(grandchild, {});
    expect((await dependents.trail(child)).map(([status]) => status)).toEqual([
      'WAITING',
      'CANCELLED',
      'WAITING',
      'QUEUED',
      'PROCESSING',
      'COMPLETED',
    ]);
    await nothingIsLeft();
  });

  test('cancels them again when the parent fails again, and not for its end before', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.cancel([child.id]);
    await dependents.end(parent, { error: { message: 'no' } });
    // That end has not been dealt with when both are put back.
    await retryAll([parent, child]);
    await dependents.resolve();
    expect(await dependents.statuses([parent, child])).toEqual(['QUEUED', 'WAITING']);
    await dependents.end(parent, { error: { message: 'again' } });
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['CANCELLED']);
    await nothingIsLeft();
  });

  test('queues a child at once whose parents have all ended', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.cancel([child.id]);
    await dependents.end(parent, { result: 1 });
    await dependents.resolve();
    await retryAll([child]);
    expect((await dependents.end(child, {})).parents).toContain('"result":1');
    await nothingIsLeft();
  });
});
