import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SubmitInput } from '../../src/tasks/new-task.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import { Factory, taskInput } from '../support/factory.ts';
import { findContradictions } from '../support/invariants.ts';
import { setup, type TestApp } from '../support/setup.ts';

let app: TestApp;
let factory: Factory;
let ownerId: string;

beforeAll(async () => {
  app = await setup();
  factory = new Factory(app);
  await factory.openShards();
});
afterAll(async () => {
  await factory.close();
  await app.close();
});

const keyed = (idempotencyKey: string | null, more: Partial<SubmitInput> = {}) =>
  taskInput({ idempotencyKey, ...more });
const submit = (...inputs: SubmitInput[]) => submitTasks(factory.services, ownerId, inputs);
const countTasks = () => app.database.task.count({ where: { ownerId } });

describe('an idempotency key', () => {
  beforeAll(async () => {
    ownerId = await factory.owner();
  });

  test('makes one task of a hundred submissions at once', async () => {
    const before = await countTasks();
    const tasks = await Promise.all(Array.from({ length: 100 }, () => submit(keyed('parallel'))));
    expect(new Set(tasks.flat().map(({ id }) => id)).size).toBe(1);
    expect(await countTasks()).toBe(before + 1);
  });

  test('gives the task as it is by now', async () => {
    const [task] = await submit(keyed('progressed'));
    await app.database.task.update({ where: { id: task?.id ?? '' }, data: { attempt: 2 } });
    const [again] = await submit(keyed('progressed'));
    expect(again).toEqual({ ...task, attempt: 2 });
    await app.database.task.update({ where: { id: task?.id ?? '' }, data: { attempt: 0 } });
  });

  test.each<[string, Partial<SubmitInput>]>([
    ['payload', { payload: { n: 2 } }],
    ['type', { type: 'other' }],
    ['queue', { queue: 'other' }],
    ['priority', { priority: 'LOW' }],
    ['attempts', { maxAttempts: 4 }],
    ['timeout', { timeoutMs: 5 }],
    ['due time', { runAt: new Date('2031-05-06') }],
    ['tags', { tags: ['a'] }],
  ])('conflicts with another %s', async (name, more) => {
    await submit(keyed(`other ${name}`));
    const conflict = { code: 'CONFLICT', details: { field: 'idempotencyKey' } };
    await expect(submit(keyed(`other ${name}`, more))).rejects.toMatchObject(conflict);
  });

  test('stands for one task when it comes twice in one call', async () => {
    const before = await countTasks();
    const [one, plain, two, other] = await submit(keyed('twice'), keyed(null), keyed('twice'), keyed('another'));
    expect(two).toEqual(one);
    expect(new Set([one?.id, plain?.id, other?.id]).size).toBe(3);
    expect(await countTasks()).toBe(before + 3);
  });

  test('conflicts with itself in one call, and nothing is written', async () => {
    const before = await countTasks();
    const call = submit(keyed('fresh'), keyed('self'), keyed('self', { payload: 2 }));
    await expect(call).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await countTasks()).toBe(before);
    await submit(keyed('fresh', { payload: 'was free' }));
  });

  test('that conflicts lets nothing of its call be written, nor its keys be taken', async () => {
    await submit(keyed('taken'));
    const before = await countTasks();
    const call = submit(keyed('free'), keyed(null), keyed('taken', { payload: 2 }));
    await expect(call).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await countTasks()).toBe(before);
    await submit(keyed('free', { payload: 'was free' }));
  });

  test('mixes with known keys and with none, in the order of the inputs', async () => {
    const [known] = await submit(keyed('known', { payload: 'k' }));
    const tasks = await submit(
      keyed(null, { payload: 0 }),
      keyed('known', { payload: 'k' }),
      keyed('new', { payload: 'n' }),
      keyed(null, { payload: 1 }),
    );
    expect(tasks.map(({ payload }) => payload)).toEqual([0, 'k', 'n', 1]);
    expect(tasks[1]?.id).toBe(known?.id);
  });

  test('is its owner’s own', async () => {
    const [mine] = await submit(keyed('shared'));
    const [theirs] = await submitTasks(factory.services, await factory.owner(), [keyed('shared', { payload: 'else' })]);
    expect(theirs?.id).not.toBe(mine?.id);
  });

  test.each(['ключ 🦀', "a'b\\c\n\t", ' '])('may be %j', async (key) => {
    const [one] = await submit(keyed(key));
    const [two] = await submit(keyed(key));
    expect(two?.id).toBe(one?.id);
  });

  test('does not lock out callers who name the same keys in another order', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => `order ${i}`);
    const calls = Array.from({ length: 10 }, (_, i) =>
      submit(...(i % 2 === 0 ? keys : keys.toReversed()).map((key) => keyed(key))),
    );
    const ids = new Set((await Promise.all(calls)).flat().map(({ id }) => id));
    expect(ids.size).toBe(20);
  });

  test('of a task that is no longer kept says so', async () => {
    const [task] = await submit(keyed('dropped'));
    await app.database.taskEvent.deleteMany({ where: { taskId: task?.id ?? '' } });
    await app.database.task.delete({ where: { id: task?.id ?? '' } });
    await expect(submit(keyed('dropped'))).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('no longer kept'),
    });
  });
});

test('tasks with keys take their places in their owner’s feed', async () => {
  ownerId = await factory.owner();
  await Promise.all(Array.from({ length: 30 }, (_, i) => submit(keyed(`feed ${i % 10}`), keyed(null))));
  expect(await countTasks()).toBe(40);
  expect((await findContradictions(app.database)).filter((problem) => problem.includes(ownerId))).toEqual([]);
});
