import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complete } from '../../src/broker/calls.ts';
import { retryTask } from '../../src/tasks/retry-tasks.ts';
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

describe('a task that depends on others', () => {
  test('waits until all have completed, then runs with their results', async () => {
    const parents = [await submit(), await submit()] as [Task, Task];
    const child = await submit(childOf(...parents));
    expect(child).toMatchObject({ status: 'WAITING', seq: 1 });
    expect(await isInBroker(child)).toBe(false);

    await dependents.end(parents[0], { result: { rows: 3 } });
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['WAITING']);

    await dependents.end(parents[1], { result: 'two' });
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['QUEUED']);
    const { parents: told } = await dependents.end(child, {});
    expect(JSON.parse(told)).toEqual({
      [parents[0].id]: { taskId: parents[0].id, status: 'COMPLETED', result: { rows: 3 } },
      [parents[1].id]: { taskId: parents[1].id, status: 'COMPLETED', result: 'two' },
    });
    expect(await dependents.trail(child)).toEqual([
      ['WAITING', null],
      ['QUEUED', { reason: 'PARENTS_ENDED' }],
      ['PROCESSING', null],
      ['COMPLETED', null],
    ]);
    await nothingIsLeft();
  });

  test('is set free when its parents had ended before it was submitted', async () => {
    const parent = await submit();
    await dependents.end(parent, { result: 1 });
    const child = await submit(childOf(parent));
    expect(child.status).toBe('WAITING');
    await dependents.resolve();
    const { parents: told } = await dependents.end(child, {});
    expect(JSON.parse(told)).toEqual({ [parent.id]: { taskId: parent.id, status: 'COMPLETED', result: 1 } });
    await nothingIsLeft();
  });

  test('is SCHEDULED when it is set free before it is due', async () => {
    const parent = await submit();
    const runAt = new Date(Date.now() + 3_600_000);
    const child = await submit({ ...childOf(parent), runAt });
    expect(child.status).toBe('WAITING');
    await dependents.end(parent, {});
    await dependents.resolve();
    expect(await factory.task(child.id)).toMatchObject({ status: 'SCHEDULED', seq: 2, runAt, error: null });
    expect(await isInBroker(child)).toBe(true);
  });

  test('is told of a parent in the words of its worker, to the byte', async () => {
    const parent = await submit();
    const held = await dependents.claim(parent);
    const shard = app.broker.shardFor('NORMAL', parent.id);
    const result = '{"big":12345678901234567890,"a":1,"a":2}';
    await complete(shard, { worker: 'worker-1' }, [{ id: parent.id, token: held?.token ?? '', result }]);
    await factory.record(shard);
    const child = await submit(childOf(parent));
    await dependents.resolve();
    expect((await dependents.claim(child))?.parents).toContain(`"result":${result}`);
  });
});

describe('a parent that does not complete', () => {
  test('cancels its child and, one after the other, all descendants, with the reason', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    const grandchild = await submit(childOf(child));
    const other = await submit(childOf(child, await submit()));
    await dependents.end(parent, { error: { message: 'no' } });
    await dependents.resolve();

    expect(await dependents.statuses([child, grandchild, other])).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED']);
    expect(await dependents.trail(child)).toEqual([
      ['WAITING', null],
      [
        'CANCELLED',
        {
          reason: 'PARENT_FAILED',
          parentId: parent.id,
          message: `The task ${parent.id}, for which it waited, ended FAILED.`,
        },
      ],
    ]);
    expect((await dependents.trail(grandchild)).at(-1)).toMatchObject([
      'CANCELLED',
      { reason: 'PARENT_CANCELLED', parentId: child.id },
    ]);
    const row = await factory.task(child.id);
    expect(row).toMatchObject({ cancelReason: { reason: 'PARENT_FAILED' }, cancelRequestedAt: null, workerId: null });
    expect(row.finishedAt).not.toBeNull();
    await nothingIsLeft();
  });

  test('lets those run that chose so, and hands them its error', async () => {
    const failing = await submit();
    const fine = await submit();
    const child = await submit({ ...childOf(failing, fine), onParentFailure: 'RUN' });
    await dependents.end(failing, { error: { message: 'no', code: 'NOPE' } });
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['WAITING']);
    await dependents.end(fine, { result: 2 });
    await dependents.resolve();
    const { parents: told } = await dependents.end(child, {});
    expect(JSON.parse(told)).toEqual({
      [failing.id]: { taskId: failing.id, status: 'FAILED', error: { message: 'no', code: 'NOPE' } },
      [fine.id]: { taskId: fine.id, status: 'COMPLETED', result: 2 },
    });
  });

  test('counts as it ended first: a parent that is retried does not bring back who was cancelled', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.end(parent, { error: { message: 'no' } });
    await dependents.resolve();
    await retryTask(factory.services, undefined, parent.id);
    await factory.writer.close();
    const later = await submit(childOf(parent));
    await dependents.end(parent, { result: 'at last' });
    await dependents.resolve();
    expect(await dependents.statuses([child, later])).toEqual(['CANCELLED', 'QUEUED']);
  });

  test('does not end who came after it was retried, however late its first end is dealt with', async () => {
    const parent = await submit();
    const early = await submit({ ...childOf(parent) });
    await dependents.end(parent, { error: { message: 'no' } });
    await retryTask(factory.services, undefined, parent.id);
    await factory.writer.close();
    const late = await submit(childOf(parent));
    await dependents.resolve();
    expect(await dependents.statuses([early, late])).toEqual(['CANCELLED', 'WAITING']);
    await dependents.end(parent, {});
    await dependents.resolve();
    expect(await dependents.statuses([early, late])).toEqual(['CANCELLED', 'QUEUED']);
    await nothingIsLeft();
  });
});

describe('cancelling tasks that wait', () => {
  test('ends them at once, says which, and their descendants follow', async () => {
    const parent = await submit();
    const [one, two] = [await submit(childOf(parent)), await submit(childOf(parent))];
    const grandchild = await submit(childOf(one));
    expect((await dependents.cancel([one.id, two.id, parent.id, uuidv7()])).sort()).toEqual([one.id, two.id].sort());
    await dependents.resolve();
    expect(await dependents.statuses([parent, one, two, grandchild])).toEqual([
      'QUEUED',
      'CANCELLED',
      'CANCELLED',
      'CANCELLED',
    ]);
    expect(await dependents.cancel([one.id])).toEqual([]);
    // Its parent ends later, and finds nobody.
    await dependents.end(parent, {});
    await dependents.resolve();
    expect(await dependents.statuses([one])).toEqual(['CANCELLED']);
    await nothingIsLeft();
  });

  test('still notes how each of their parents ends', async () => {
    const [failing, completing] = [await submit(), await submit()];
    const child = await submit(childOf(failing, completing));
    await dependents.end(failing, { error: { message: 'no' } });
    await dependents.resolve();
    expect(await dependents.parentEnds(child)).toEqual(['FAILED', null]);
    await dependents.end(completing, {});
    await dependents.resolve();
    expect(await dependents.parentEnds(child)).toEqual(['FAILED', 'COMPLETED']);
    expect(await dependents.statuses([child])).toEqual(['CANCELLED']);
    await nothingIsLeft();
  });

  test('leaves those of other owners alone', async () => {
    const child = await submit(childOf(await submit()));
    expect(await dependents.cancel([child.id], await factory.owner())).toEqual([]);
    expect(await dependents.statuses([child])).toEqual(['WAITING']);
    expect(await dependents.cancel([child.id], child.ownerId)).toEqual([child.id]);
  });

  test('counts them among what ended in their queue', async () => {
    const parent = await submit();
    const [one, two] = [await submit(childOf(parent)), await submit(childOf(parent))];
    await dependents.cancel([one.id]);
    await dependents.end(parent, { error: { message: 'no' } });
    await dependents.resolve();
    for (const { queue } of [one, two])
      expect(await app.database.queueMinute.findMany({ where: { queue } })).toMatchObject([{ cancelled: 1 }]);
  });

  test('can be undone by a retry: they wait again', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.cancel([child.id]);
    expect(await retryTask(factory.services, undefined, child.id)).toMatchObject({ status: 'WAITING', seq: 3 });
    await factory.writer.close();
    expect(await isInBroker(child)).toBe(false);
    await dependents.end(parent, {});
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['QUEUED']);
    await nothingIsLeft();
  });
});

describe('what a child is told of its parents', () => {
  test('comes again with each attempt, also after a retry by hand', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.end(parent, { result: 'kept' });
    await dependents.resolve();
    const first = await dependents.end(child, { error: { message: 'no' } });
    await retryTask(factory.services, undefined, child.id);
    await factory.writer.close();
    const second = await dependents.end(child, {});
    expect(second.parents).toBe(first.parents);
    expect(second.parents).toContain('"result":"kept"');
  });

  test('is told after a retry by hand also to who was cancelled while it waited, as its parents stand then', async () => {
    const [failing, completing] = [await submit(), await submit()];
    const child = await submit(childOf(failing, completing));
    await dependents.end(completing, { result: 'whole' });
    await dependents.end(failing, { error: { message: 'no' } });
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['CANCELLED']);
    await retryTask(factory.services, undefined, failing.id);
    await factory.writer.close();
    await dependents.end(failing, { result: 'mended' });
    await retryTask(factory.services, undefined, child.id);
    await factory.writer.close();
    const [kept] = await app.database.$queryRaw<
      { parents: unknown }[]
    >`SELECT parent_results AS parents FROM tasks WHERE id = ${child.id}::uuid`;
    const { parents: told } = await dependents.end(child, {});
    expect(JSON.parse(told)).toEqual({
      [failing.id]: { taskId: failing.id, status: 'COMPLETED', result: 'mended' },
      [completing.id]: { taskId: completing.id, status: 'COMPLETED', result: 'whole' },
    });
    // As it stands in PostgreSQL, it survives a loss of Redis.
    expect(kept?.parents).toEqual(JSON.parse(told));
  });

  test('leaves results out once all together have more than 4 MiB', async () => {
    const parents: Task[] = [];
    for (let i = 0; i < 5; i++) {
      parents.push(await submit());
      await dependents.end(parents[i] as Task, { result: 'x'.repeat(1_000_000) });
    }
    const small = await submit();
    await dependents.end(small, { result: 'small' });
    const child = await submit(childOf(...parents, small));
    await dependents.resolve();
    const { parents: told } = await dependents.end(child, {});
    const outcomes = JSON.parse(told);
    expect(parents.map(({ id }) => outcomes[id].result?.length ?? null)).toEqual([1e6, 1e6, 1e6, 1e6, null]);
    expect(outcomes[parents[4]?.id ?? '']).toEqual({
      taskId: parents[4]?.id,
      status: 'COMPLETED',
      result: null,
      isOmitted: true,
    });
    expect(outcomes[small.id]).toEqual({ taskId: small.id, status: 'COMPLETED', result: 'small' });
  });

  test('says that a result is left out whose task is no longer kept', async () => {
    const [early, late] = [await submit(), await submit()];
    const child = await submit(childOf(early, late));
    await dependents.end(early, { result: 'forgotten' });
    await dependents.resolve();
    await app.database.task.delete({ where: { id: early.id } });
    await dependents.end(late, { result: 'there' });
    await dependents.resolve();
    const { parents: told } = await dependents.end(child, {});
    expect(JSON.parse(told)).toEqual({
      [early.id]: { taskId: early.id, status: 'COMPLETED', result: null, isOmitted: true },
      [late.id]: { taskId: late.id, status: 'COMPLETED', result: 'there' },
    });
  });

  test('is known also when a parent is dropped between its end and the managers', async () => {
    const parent = await submit();
    const child = await submit(childOf(parent));
    await dependents.end(parent, { error: { message: 'no' } });
    await app.database.task.delete({ where: { id: parent.id } });
    await dependents.resolve();
    expect(await dependents.statuses([child])).toEqual(['CANCELLED']);
  });
});

describe('a submission', () => {
  test.each([
    ['a task that is not there', () => uuidv7()],
    ['what is no id', () => 'nobody'],
  ])('is refused that depends on %s, and names the field', async (_name, id) => {
    const fine = await submit();
    const refused = submit({ dependsOn: [fine.id, id()] });
    await expect(refused).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'inputs.0.dependsOn.1' },
    });
    await nothingIsLeft();
  });

  test('is refused that depends on a task of another owner, as if it were not there', async () => {
    const theirs = await submit({ ownerId: await factory.owner() });
    await expect(submit(childOf(theirs))).rejects.toMatchObject({
      message: `inputs.0.dependsOn.0: there is no task ${theirs.id}.`,
    });
    expect(await app.database.$queryRaw`SELECT id FROM tasks WHERE id = ${theirs.id}::uuid AND has_dependents`).toEqual(
      [],
    );
  });

  test('is refused with more than a hundred parents, and with one twice', async () => {
    const dependsOn = Array.from({ length: 101 }, () => uuidv7());
    await expect(submit({ dependsOn })).rejects.toMatchObject({
      details: { field: 'inputs.0.dependsOn', limit: 100 },
    });
    const parent = await submit();
    await expect(submit({ dependsOn: [parent.id, parent.id.toUpperCase()] })).rejects.toMatchObject({
      details: { field: 'inputs.0.dependsOn' },
    });
  });

  test('with an idempotency key makes one task, which waits once', async () => {
    const parent = await submit();
    const wish = { ...childOf(parent), idempotencyKey: 'once', queue: 'once' };
    const same = await Promise.all(Array.from({ length: 20 }, () => submit(wish)));
    expect(new Set(same.map(({ id }) => id)).size).toBe(1);
    await expect(submit({ ...wish, onParentFailure: 'RUN' })).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(submit({ ...wish, dependsOn: [] })).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await dependents.leftOver()).pending).toBeGreaterThan(0);
    await dependents.end(parent, {});
    await dependents.resolve();
    expect(await dependents.statuses(same.slice(0, 1))).toEqual(['QUEUED']);
  });

  test('of many tasks may have some that wait, in any order', async () => {
    const parent = await submit();
    const queue = `q-${uuidv7().slice(-12)}`;
    const tasks = await factory.submit([{ queue }, { queue, ...childOf(parent) }, { queue }]);
    expect(tasks.map(({ status }) => status)).toEqual(['QUEUED', 'WAITING', 'QUEUED']);
    await expect(factory.submit([{ queue }, { queue, dependsOn: [uuidv7()] }])).rejects.toMatchObject({
      details: { field: 'inputs.1.dependsOn.0' },
    });
    expect(await app.database.task.count({ where: { queue } })).toBe(3);
    await dependents.end(parent, {});
    await dependents.resolve();
    await nothingIsLeft();
  });
});
