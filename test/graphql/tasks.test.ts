import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
});
afterAll(() => app.close());

const CREATE =
  'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id status queue priority maxAttempts payload tags attempt runAt createdAt } }';
const CREATE_MANY = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id payload } }';

const create = async (input: Record<string, unknown>, who = user) =>
  (await who.call(CREATE, { input })).data.createTask;

describe('createTask', () => {
  test('fills in defaults and answers with the task as it is stored', async () => {
    const task = await create({ type: 'echo', payload: { a: [1, 'x', null] } });
    expect(task).toMatchObject({
      status: 'QUEUED',
      queue: 'default',
      priority: 'NORMAL',
      maxAttempts: 3,
      attempt: 0,
      tags: [],
      runAt: null,
    });
    expect(task.payload).toEqual({ a: [1, 'x', null] });
    const { data } = await user.call(
      `{ task(id: "${task.id}") { id status queue priority maxAttempts payload tags attempt runAt createdAt } }`,
    );
    expect(data.task).toEqual(task);
  });

  test('takes null as "not given"', async () => {
    const task = await create({
      type: 'echo',
      queue: null,
      priority: null,
      maxAttempts: null,
      tags: null,
      payload: null,
    });
    expect(task).toMatchObject({ queue: 'default', priority: 'NORMAL', maxAttempts: 3, tags: [], payload: null });
  });

  test('takes a payload written into the query', async () => {
    const { data } = await user.call(
      'mutation ($n: JSON) { createTask(input: { type: "echo", payload: { a: 1.5, b: [true, null, "x", $n], c: { d: -2 } } }) { payload } }',
      { n: { deep: 1 } },
    );
    expect(data.createTask.payload).toEqual({ a: 1.5, b: [true, null, 'x', { deep: 1 }], c: { d: -2 } });
  });

  test('schedules a task that is not due yet', async () => {
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    expect(await create({ type: 'echo', runAt })).toMatchObject({ status: 'SCHEDULED', runAt });
  });

  test('returns the same task for the same idempotency key, and refuses it for another request', async () => {
    const input = { type: 'echo', payload: 1, idempotencyKey: 'order-7' };
    const first = await create(input);
    expect((await create(input)).id).toBe(first.id);
    const other = await user.call(CREATE, { input: { ...input, payload: 2 } });
    expect(errorOf(other)).toMatchObject({ code: 'CONFLICT', field: 'idempotencyKey' });
  });

  test.each([
    ['a queue name with other characters', { queue: 'Übung' }, { code: 'BAD_USER_INPUT', field: 'input.queue' }],
    ['a queue name of 65 characters', { queue: 'q'.repeat(65) }, { code: 'BAD_USER_INPUT', field: 'input.queue' }],
    ['an empty queue name', { queue: '' }, { code: 'BAD_USER_INPUT', field: 'input.queue' }],
    ['a task type with a space', { type: 'a b' }, { code: 'BAD_USER_INPUT', field: 'input.type' }],
    ['no attempts', { maxAttempts: 0 }, { code: 'BAD_USER_INPUT', field: 'input.maxAttempts' }],
    ['101 attempts', { maxAttempts: 101 }, { code: 'BAD_USER_INPUT', field: 'input.maxAttempts', limit: 100 }],
    ['a timeout of 0 ms', { timeoutMs: 0 }, { code: 'BAD_USER_INPUT', field: 'input.timeoutMs' }],
    ['an empty idempotency key', { idempotencyKey: '' }, { code: 'BAD_USER_INPUT', field: 'input.idempotencyKey' }],
    [
      '21 tags',
      { tags: Array.from({ length: 21 }, (_, i) => `t${i}`) },
      { code: 'BAD_USER_INPUT', field: 'input.tags', limit: 20 },
    ],
    [
      'a payload of more than 256 KiB',
      { payload: 'x'.repeat(262_144) },
      { code: 'PAYLOAD_TOO_LARGE', field: 'input.payload', limit: 262_144 },
    ],
    ['NUL in the payload', { payload: { a: 'x\0y' } }, { code: 'BAD_USER_INPUT', field: 'input.payload' }],
  ])('refuses %s, and writes nothing', async (_what, wrong, expected) => {
    const before = await app.database.task.count();
    const answer = await user.call(CREATE, { input: { type: 'echo', ...wrong } });
    expect(errorOf(answer)).toEqual(expected);
    expect(answer).toMatchObject({ status: 200, data: null });
    expect(await app.database.task.count()).toBe(before);
  });

  test.each([
    ['a time without an offset', { runAt: '2030-01-01T00:00:00' }],
    ['a day that does not exist', { runAt: '2030-13-01T00:00:00Z' }],
    ['a number of attempts that is none', { maxAttempts: 'many' }],
    ['an unknown priority', { priority: 'URGENT' }],
    ['an unknown field', { nope: 1 }],
  ])('refuses %s', async (_what, wrong) => {
    expect(errorOf(await user.call(CREATE, { input: { type: 'echo', ...wrong } }))).toEqual({ code: 'BAD_USER_INPUT' });
  });
});

describe('createTasks', () => {
  test('submits all in the order given', async () => {
    const inputs = Array.from({ length: 100 }, (_, i) => ({ type: 'echo', payload: i }));
    const { data } = await user.call(CREATE_MANY, { inputs });
    expect(data.createTasks.map(({ payload }: { payload: number }) => payload)).toEqual(
      inputs.map(({ payload }) => payload),
    );
  });

  test('submits none when one is wrong, and names it', async () => {
    const before = await app.database.task.count();
    const answer = await user.call(CREATE_MANY, { inputs: [{ type: 'echo' }, { type: 'echo', queue: '?' }] });
    expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'inputs.1.queue' });
    expect(await app.database.task.count()).toBe(before);
  });

  test('takes none and 10,000, but not 10,001', async () => {
    expect((await user.call(CREATE_MANY, { inputs: [] })).data.createTasks).toEqual([]);
    const inputs = Array.from({ length: 10_001 }, () => ({ type: 'echo' }));
    expect(errorOf(await user.call(CREATE_MANY, { inputs }))).toEqual({
      code: 'BAD_USER_INPUT',
      field: 'inputs',
      limit: 10_000,
    });
    expect((await user.call(CREATE_MANY, { inputs: inputs.slice(1) })).data.createTasks).toHaveLength(10_000);
  });

  test('writes a thousand single tasks that come at once with a handful of statements', async () => {
    const queries = recordQueries();
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => create({ type: 'echo', payload: i })));
    expect(queries.filter((sql) => sql.includes('INSERT INTO tasks')).length).toBeLessThan(20);
  });
});

describe('task', () => {
  test('is null where there is none', async () => {
    expect((await user.call('{ task(id: "01900000-0000-7000-8000-000000000000") { id } }')).data).toEqual({
      task: null,
    });
  });

  test('refuses what is no UUID', async () => {
    expect(errorOf(await user.call('{ task(id: "42") { id } }'))).toEqual({ code: 'BAD_USER_INPUT', field: 'id' });
  });

  test('reads the payload and the result only when they are asked for, in the same query', async () => {
    const { id } = await create({ type: 'echo', payload: 'p' });
    const queries = recordQueries();
    await user.call(`{ task(id: "${id}") { status } }`);
    const { data } = await user.call(`{ task(id: "${id}") { ...parts } } fragment parts on Task { payload result }`);
    expect(data.task).toEqual({ payload: 'p', result: null });
    expect(queries).toHaveLength(2);
    expect(queries[0]).not.toMatch(/"(payload|result)"/);
    expect(queries[1]).toMatch(/"payload".*"result"/);
  });

  test('shows the result, the worker, and every transition', async () => {
    const task = await create({ type: 'echo', queue: 'shown' });
    await app.live.begin({ ...task, type: 'echo' });
    await app.live.complete({ ...task, type: 'echo' }, { sum: 3 });
    const { data } = await user.call(
      `{ task(id: "${task.id}") { status result error { message } workerId attempt startedAt finishedAt events { seq status attempt workerId detail } } }`,
    );
    expect(data.task).toMatchObject({
      status: 'COMPLETED',
      result: { sum: 3 },
      error: null,
      workerId: 'worker-1',
      attempt: 1,
    });
    expect(data.task.events).toEqual([
      { seq: 1, status: 'QUEUED', attempt: 0, workerId: null, detail: null },
      { seq: 2, status: 'PROCESSING', attempt: 1, workerId: 'worker-1', detail: null },
      { seq: 3, status: 'COMPLETED', attempt: 1, workerId: 'worker-1', detail: null },
    ]);
  });

  test.each([
    [
      { message: 'no such file', code: 'ENOENT', stack: 'at x' },
      { message: 'no such file', code: 'ENOENT', stack: 'at x' },
    ],
    ['just words', { message: 'just words', code: null, stack: null }],
    [{ reason: 7 }, { message: '{"reason":7}', code: null, stack: null }],
  ])('shows the error %j of a worker in any language', async (error, shown) => {
    const task = await create({ type: 'echo', queue: 'failing' });
    await app.live.begin({ ...task, type: 'echo' });
    await app.live.fail({ ...task, type: 'echo' }, error);
    const { data } = await user.call(`{ task(id: "${task.id}") { status error { message code stack } } }`);
    expect(data.task).toEqual({ status: 'FAILED', error: shown });
  });
});
