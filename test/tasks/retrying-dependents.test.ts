import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { retryTask, retryWithin } from '../../src/tasks/retry-tasks.ts';
import type { Task } from '../../src/tasks/task-store.ts';
import { childOf, Dependents } from '../support/dependencies.ts';
import type { Factory } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';

let app: FactoryApp;
let factory: Factory;
let dependents: Dependents;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  dependents = new Dependents(app, factory);
});
afterAll(() => app.close());

const submit: Dependents['submit'] = (more) => dependents.submit(more);
const isInBroker = (task: Task): Promise<boolean> => dependents.isInBroker(task);
const nothingIsLeft = (): Promise<void> => dependents.expectNothingLeft();

const retryAll = async (tasks: readonly Task[], options?: Parameters<typeof retryWithin>[5]): Promise<void> => {
  const { services, writer } = factory;
  const ids = tasks.map(({ id }) => id);
  const { afterCommit } = await app.database.$transaction((session) =>
    retryWithin(session, services.taskWriter, undefined, ids, writer.knownEpochs(), options),
  );
  afterCommit();
  await writer.close();
};
/** Each by itself, as the mutation does. */
const retryEach = async (...tasks: readonly Task[]): Promise<void> => {
  for (const { id } of tasks) await retryTask(factory.services, undefined, id);
  await factory.writer.close();
};

describe('retrying parents and children together', () => {
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

describe('retrying one task after the other', () => {
  test('lets a child wait for a parent that was put back before', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.end(parent, { error: { message: 'no' } });
    await dependents.resolve();
    await retryEach(parent, child);
    expect(await dependents.statuses([parent, child])).toEqual(['QUEUED', 'WAITING']);
    expect(await isInBroker(child)).toBe(false);
    await dependents.end(parent, { result: 'mended' });
    await dependents.resolve();
    expect((await dependents.end(child, {})).parents).toContain('"result":"mended"');
    await nothingIsLeft();
  });

  test('answers that the child is WAITING, and tries again while its parent is being written', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.cancel([child.id]);
    let answer: Promise<unknown> | undefined;
    await app.database.$transaction(async (other) => {
      await other.$queryRaw`SELECT FROM tasks WHERE id = ${parent.id}::uuid FOR UPDATE`;
      await expect(retryAll([child])).rejects.toThrow();
      answer = retryTask(factory.services, undefined, child.id);
    });
    expect(await answer).toMatchObject({ status: 'WAITING', seq: 3 });
    await dependents.end(parent, {});
    await dependents.resolve();
    await dependents.end(child, {});
    await nothingIsLeft();
  });

  test('runs a child whose parent failed and was not put back, and tells it so', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.end(parent, { error: { message: 'no' } });
    await dependents.resolve();
    await retryEach(child);
    const { parents } = await dependents.end(child, {});
    expect(JSON.parse(parents)).toEqual({
      [parent.id]: { taskId: parent.id, status: 'FAILED', error: { message: 'no' } },
    });
  });
});

describe('a child that has run after a parent that failed', () => {
  const runAndFail = async (): Promise<[parent: Task, child: Task]> => {
    const parent = await submit();
    const child = await submit({ ...childOf(parent), onParentFailure: 'RUN' });
    await dependents.end(parent, { error: { message: 'no' } });
    await dependents.resolve();
    const { parents } = await dependents.end(child, { error: { message: 'without it, I cannot' } });
    expect(parents).toContain('"status":"FAILED"');
    return [parent, child];
  };
  const mended = (parent: Task) => ({ [parent.id]: { taskId: parent.id, status: 'COMPLETED', result: 'mended' } });

  test('waits for it again when both are retried, and is told of its new end', async () => {
    const [parent, child] = await runAndFail();
    await retryAll([parent, child]);
    expect(await dependents.statuses([child])).toEqual(['WAITING']);
    await dependents.end(parent, { result: 'mended' });
    await dependents.resolve();
    expect(JSON.parse((await dependents.end(child, {})).parents)).toEqual(mended(parent));
    await nothingIsLeft();
  });

  test('is told of its new end when it is retried after that', async () => {
    const [parent, child] = await runAndFail();
    await retryEach(parent);
    await dependents.end(parent, { result: 'mended' });
    await dependents.resolve();
    await retryEach(child);
    expect(await dependents.parentEnds(child)).toEqual(['COMPLETED']);
    expect(JSON.parse((await dependents.end(child, {})).parents)).toEqual(mended(parent));
    await nothingIsLeft();
  });

  test('keeps what it was told of one that is not kept any more', async () => {
    const [parent, child] = await runAndFail();
    await app.database.task.delete({ where: { id: parent.id } });
    await retryEach(child);
    const { parents } = await dependents.end(child, {});
    expect(JSON.parse(parents)).toEqual({
      [parent.id]: { taskId: parent.id, status: 'FAILED', error: { message: 'no' } },
    });
  });
});

describe('retrying in several transactions', () => {
  test('cancels a child again whose parent was put back before it, and has failed again by then', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.end(parent, { error: { message: 'no' } });
    await dependents.resolve();
    const [{ now }] = await app.database.$queryRaw<[{ now: Date }]>`SELECT now()`;
    await retryAll([parent], { endedSince: now });
    await dependents.end(parent, { error: { message: 'again' } });
    await dependents.resolve();
    await retryAll([child], { endedSince: now });
    expect(await dependents.statuses([child])).toEqual(['WAITING']);
    expect(await isInBroker(child)).toBe(false);
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['CANCELLED']);
    await nothingIsLeft();
  });
});
