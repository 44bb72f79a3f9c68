import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { heartbeat } from '../../src/broker/calls.ts';
import type { LaneName, Shard } from '../../src/broker/lanes.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { waitFor } from '../support/setup.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
});
afterAll(() => app.close());

const describeWorker = (more: object = {}): string =>
  JSON.stringify({ language: 'typescript', host: 'box', queues: ['*'], concurrency: 10, running: 2, ...more });

const beat = (
  lane: LaneName,
  worker: string,
  { ttlMs = 60_000, description = describeWorker(), types = {} as Record<string, unknown>, defaults = '{}' } = {},
) => {
  const shard = app.broker[lane].shards[0] as Shard;
  const items = Object.entries(types).map(([type, schema]) => ({
    type,
    payloadSchema: typeof schema === 'string' ? schema : JSON.stringify(schema),
    defaults,
  }));
  return heartbeat(shard, { worker, description, ttlMs }, items);
};

const create = (input: Record<string, unknown>) =>
  user.call('mutation ($input: CreateTaskInput!) { createTask(input: $input) { id status } }', { input });

describe('workers', () => {
  test('are listed once, as their newest heartbeat says, until three are missing', async () => {
    await beat('low', 'b', { description: describeWorker({ running: 1 }) });
    await beat('high', 'a', { description: describeWorker({ running: 1 }) });
    const before = Date.now();
    await waitFor(() => Date.now() > before + 2);
    await beat('low', 'a', { description: describeWorker({ running: 7, queues: ['x', 'y'] }) });
    await beat('low', 'gone', { ttlMs: 1 });
    await beat('low', 'strange', { description: 'what?' });
    await waitFor(async () => {
      const { data } = await user.call('{ workers { id } }');
      return data.workers.length === 2;
    });
    const { data } = await user.call('{ workers { id language host queues concurrency running lastHeartbeatAt } }');
    expect(data.workers).toMatchObject([
      { id: 'a', language: 'typescript', host: 'box', queues: ['x', 'y'], concurrency: 10, running: 7 },
      { id: 'b', running: 1, queues: ['*'] },
    ]);
    expect(Math.abs(new Date(data.workers[0].lastHeartbeatAt).getTime() - Date.now())).toBeLessThan(10_000);
  });
});

describe('task types', () => {
  const SCHEMA = {
    type: 'object',
    properties: { file: { type: 'string' }, 'a/b': { type: 'object', properties: { n: { type: 'integer' } } } },
    required: ['file'],
    additionalProperties: false,
  };

  test('decide what is accepted, from the moment a worker announces them', async () => {
    expect((await create({ type: 'anything' })).data.createTask.status).toBe('QUEUED');
    await beat('high', 'w1', { types: { profile: SCHEMA } });
    await beat('low', 'w1', { types: { any: 'null' } });
    await waitFor(async () => (await user.call('{ taskTypes { type } }')).data.taskTypes.length === 2);
    expect((await user.call('{ taskTypes { type payloadSchema } }')).data.taskTypes).toEqual([
      { type: 'any', payloadSchema: null },
      { type: 'profile', payloadSchema: SCHEMA },
    ]);
    const refused = await create({ type: 'anything' });
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'input.type' });
    expect(refused.errors?.[0]?.message).toContain('any, profile');
    await beat('low', 'w2', { types: { anything: 'null' } });
    expect((await create({ type: 'anything' })).data.createTask.status).toBe('QUEUED');
  });

  test.each([
    [{ file: 'x' }, undefined],
    [{ file: 7 }, 'input.payload.file'],
    [{}, 'input.payload.file'],
    [undefined, 'input.payload'],
    ['text', 'input.payload'],
    [{ file: 'x', more: 1 }, 'input.payload.more'],
    [{ file: 'x', 'a/b': { n: 1.5 } }, 'input.payload.a/b.n'],
  ])('check the payload %j', async (payload, field) => {
    const before = await app.database.task.count();
    const answer = await create({ type: 'profile', payload });
    if (field === undefined) expect(answer.data.createTask.status).toBe('QUEUED');
    else expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', field });
    expect(await app.database.task.count()).toBe(before + (field === undefined ? 1 : 0));
  });

  test('have defaults, which their tasks get where they do not say', async () => {
    await beat('low', 'w3', {
      types: { slow: 'null' },
      defaults: '{"maxAttempts":5,"timeoutMs":700,"backoff":"F:50:60:0.000"}',
    });
    const fields = 'maxAttempts timeoutMs backoff { kind delayMs }';
    const submit = async (input: object) => {
      const query = `mutation ($input: CreateTaskInput!) { createTask(input: $input) { ${fields} } }`;
      return (await user.call(query, { input: { type: 'slow', ...input } })).data.createTask;
    };
    const backoff = { kind: 'FIXED', delayMs: 50 };
    expect(await submit({})).toEqual({ maxAttempts: 3, timeoutMs: 700, backoff });
    expect(await submit({ maxAttempts: null })).toMatchObject({ maxAttempts: 5 });
    expect(await submit({ maxAttempts: 1, timeoutMs: 9 })).toEqual({ maxAttempts: 1, timeoutMs: 9, backoff });
    const { data } = await user.call(`{ taskTypes { type defaults { ${fields} } } }`);
    const defaultsOf = (name: string) => data.taskTypes.find(({ type }: { type: string }) => type === name).defaults;
    expect(defaultsOf('slow')).toEqual({ maxAttempts: 5, timeoutMs: 700, backoff });
    expect(defaultsOf('any')).toEqual({ maxAttempts: null, timeoutMs: null, backoff: null });
  });

  test('name the input of many that is at fault', async () => {
    const inputs = [{ type: 'any' }, { type: 'profile', payload: { file: [] } }];
    const answer = await user.call('mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }', {
      inputs,
    });
    expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'inputs.1.payload.file' });
  });

  test('accept any payload when their schema is faulty', async () => {
    await beat('low', 'w1', {
      types: { faulty: { type: 'nonsense' }, unreadable: '{', strange: { $ref: 'http://elsewhere/x' } },
    });
    for (const type of ['faulty', 'unreadable', 'strange']) {
      expect((await create({ type, payload: { a: 1 } })).data.createTask.status).toBe('QUEUED');
    }
  });

  test('follow a worker that announces another schema', async () => {
    await beat('low', 'w1', { types: { changing: { type: 'string' } } });
    expect((await create({ type: 'changing', payload: 'x' })).data.createTask.status).toBe('QUEUED');
    await beat('low', 'w1', { types: { changing: { type: 'number' } } });
    await waitFor(async () => (await create({ type: 'changing', payload: 1 })).data !== null, {
      what: 'the new schema counts',
    });
    expect(errorOf(await create({ type: 'changing', payload: 'x' }))).toEqual({
      code: 'BAD_USER_INPUT',
      field: 'input.payload',
    });
  });
});
