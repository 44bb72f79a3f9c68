import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SubmitInput } from '../../src/tasks/new-task.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import { type Factory, taskInput } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';
import { findContradictions } from '../support/invariants.ts';

let app: FactoryApp;
let factory: Factory;
let ownerId: string;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
});
afterAll(() => app.close());

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

  test('holds for the same request when its type has other defaults by now', async () => {
    const [task] = await submit(keyed('defaults'));
    const { services } = factory;
    const taskRules = { ...services.taskRules, defaultsOf: () => ({ timeoutMs: 7, backoff: 'F:1:1:0.000' }) };
    const [again] = await submitTasks({ ...services, taskRules }, ownerId, [keyed('defaults', { maxAttempts: null })]);
    expect(again).toEqual(task);
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

  test('holds for the same payload with its keys in another order, and for no other with them', async () => {
    const [parent] = await submit(keyed(null));
    const asked = {
      payload: { a: 1, b: [{ c: null, d: 'x' }] },
      tags: ['t'],
      runAt: new Date('2099-01-01'),
      maxAttempts: 4,
      timeoutMs: 5,
      backoff: { kind: 'FIXED', delayMs: 1_000 },
      dependsOn: [parent?.id ?? ''],
    } as const satisfies Partial<SubmitInput>;
    const turned = { b: [{ d: 'x', c: null }], a: 1 };
    const [one] = await submit(keyed('turned', asked));
    const [two, three] = await submit(
      keyed('turned', { ...asked, payload: turned }),
      keyed('turned', asked),
      keyed('turned in one call', { payload: { a: 1, b: 2 } }),
      keyed('turned in one call', { payload: { b: 2, a: 1 } }),
    );
    expect([two?.id, three?.id]).toEqual([one?.id, one?.id]);
    for (const more of [
      { payload: { ...turned, a: '1' } },
      { payload: { b: turned.b.toReversed(), a: [1] } },
      { tags: ['u'] },
      { runAt: null },
      { maxAttempts: 5 },
      { timeoutMs: null },
      { backoff: null },
      { dependsOn: null },
      { onParentFailure: 'RUN' as const },
    ]) {
      const other = submit(keyed('turned', { ...asked, payload: turned, ...more }));
      await expect(other, JSON.stringify(more)).rejects.toMatchObject({ code: 'CONFLICT' });
    }
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

  describe('whose task is no longer kept', () => {
    const drop = async (...ids: (string | undefined)[]): Promise<void> => {
      const given = ids.map((id) => id ?? '');
      await app.database.taskEvent.deleteMany({ where: { taskId: { in: given } } });
      await app.database.task.deleteMany({ where: { id: { in: given } } });
    };

    test('is free again, also for another request', async () => {
      const [task] = await submit(keyed('dropped'));
      await drop(task?.id);
      const [next] = await submit(keyed('dropped', { payload: 'else' }));
      expect(next).toMatchObject({ payload: 'else', status: 'QUEUED' });
      expect((await submit(keyed('dropped', { payload: 'else' })))[0]?.id).toBe(next?.id);
      await expect(submit(keyed('dropped'))).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    test('makes one task of thirty submissions at once', async () => {
      const [task] = await submit(keyed('dropped, then many'));
      await drop(task?.id);
      const tasks = await Promise.all(Array.from({ length: 30 }, () => submit(keyed('dropped, then many'))));
      const ids = new Set(tasks.flat().map(({ id }) => id));
      expect(ids.size).toBe(1);
      expect(ids).not.toContain(task?.id);
      expect(await app.database.task.count({ where: { id: { in: [...ids] } } })).toBe(1);
    });

    test('counts as new from then on', async () => {
      const [task] = await submit(keyed('renewed'));
      const where = { ownerId_key: { ownerId, key: 'renewed' } };
      const longAgo = new Date('2020-01-01');
      await app.database.idempotencyKey.update({ where, data: { createdAt: longAgo } });
      await submit(keyed('renewed'));
      expect((await app.database.idempotencyKey.findUnique({ where }))?.createdAt).toEqual(longAgo);
      await drop(task?.id);
      const [next] = await submit(keyed('renewed'));
      const row = await app.database.idempotencyKey.findUniqueOrThrow({ where });
      expect(row).toMatchObject({ taskId: next?.id });
      expect(Date.now() - row.createdAt.getTime()).toBeLessThan(60_000);
    });
  });

  test('that is dropped while it is submitted again never lets a task go without one', async () => {
    const where = { ownerId, key: 'contended' };
    let isOver = false;
    const dropping = (async () => {
      let dropped = 0;
      while (!isOver) dropped += (await app.database.idempotencyKey.deleteMany({ where })).count;
      return dropped;
    })();
    const ids = new Set<string | undefined>();
    const submitting = async (): Promise<void> => {
      for (let i = 0; i < 75; i++) ids.add((await submit(keyed('contended')))[0]?.id);
    };
    await Promise.all([submitting(), submitting()]);
    isOver = true;
    expect(ids.size).toBeGreaterThan(1);
    expect((await dropping) + (await app.database.idempotencyKey.count({ where }))).toBe(ids.size);
  });
});

test('tasks with keys take their places in their owner’s feed', async () => {
  ownerId = await factory.owner();
  await Promise.all(Array.from({ length: 30 }, (_, i) => submit(keyed(`feed ${i % 10}`), keyed(null))));
  expect(await countTasks()).toBe(40);
  expect((await findContradictions(app.database)).filter((problem) => problem.includes(ownerId))).toEqual([]);
});
