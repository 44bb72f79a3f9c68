import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { taskTypesKey, typeDefaultsKey } from '../../src/broker/keys.ts';
import { fireSchedules } from '../../src/schedules/fire-schedules.ts';
import { type ApiApp, errorOf, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { recordQueries } from '../support/queries.ts';
import { makeSchedule } from '../support/schedules.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
});
beforeEach(async () => {
  user = await app.user();
});
afterAll(() => app.close());

const FIELDS = `id name cron timeZone missedRuns isPaused type payload queue priority maxAttempts timeoutMs
  backoff { kind delayMs maxDelayMs jitter } tags
  nextRunAt nextRuns lastRunAt lastTask { id } lastError createdAt updatedAt`;
const CREATE = `mutation ($input: CreateScheduleInput!) { createSchedule(input: $input) { ${FIELDS} } }`;
const UPDATE = `mutation ($id: ID!, $input: UpdateScheduleInput!) { updateSchedule(id: $id, input: $input) { ${FIELDS} } }`;
const ONE = `query ($id: ID!) { schedule(id: $id) { ${FIELDS} } }`;

const input = (more: Record<string, unknown> = {}) => ({ name: 'nightly', cron: '30 2 * * *', type: 'echo', ...more });
const create = async (more: Record<string, unknown> = {}) => {
  const { data, errors } = await user.call(CREATE, { input: input(more) });
  expect(errors).toBeUndefined();
  return data.createSchedule;
};
const update = async (id: string, changes: Record<string, unknown>) => {
  const { data, errors } = await user.call(UPDATE, { id, input: changes });
  expect(errors).toBeUndefined();
  return data.updateSchedule;
};
const act = async (name: string, id: string) => {
  const answer = await user.call(`mutation ($id: ID!) { ${name}(id: $id) { id } }`, { id });
  expect(answer.errors).toBeUndefined();
  return (await user.call(ONE, { id })).data.schedule;
};

describe('createSchedule', () => {
  test('fills in defaults, and answers when it is due', async () => {
    const schedule = await create();
    expect(schedule).toMatchObject({
      name: 'nightly',
      cron: '30 2 * * *',
      timeZone: 'UTC',
      missedRuns: 'SKIP',
      isPaused: false,
      type: 'echo',
      payload: null,
      queue: 'default',
      priority: 'NORMAL',
      maxAttempts: 3,
      timeoutMs: null,
      backoff: null,
      tags: [],
      lastRunAt: null,
      lastTask: null,
      lastError: null,
    });
    expect(schedule.nextRunAt).toMatch(/T02:30:00\.000Z$/);
    expect(new Date(schedule.nextRunAt).getTime()).toBeGreaterThan(Date.now());
    expect(schedule.nextRuns).toHaveLength(5);
    expect(schedule.nextRuns[0]).toBe(schedule.nextRunAt);
    expect((await user.call(ONE, { id: schedule.id })).data.schedule).toEqual(schedule);
  });

  test('takes all that a task takes, and a time zone', async () => {
    const wish = {
      name: 'reports of the day',
      cron: '0 0 12 * * *',
      timeZone: 'Asia/Kolkata',
      missedRuns: 'RUN_ONCE',
      payload: { deep: [1, null, 'ä'] },
      queue: 'reports',
      priority: 'HIGH',
      maxAttempts: 9,
      timeoutMs: 60_000,
      backoff: { kind: 'FIXED', delayMs: 500, maxDelayMs: 900, jitter: 0.25 },
      tags: ['a', 'b'],
    };
    const schedule = await create(wish);
    expect(schedule).toMatchObject(wish);
    expect(schedule.nextRunAt).toMatch(/T06:30:00\.000Z$/);
  });

  test.each([
    ['a bad expression', { cron: '61 * * * *' }, 'input.cron'],
    ['one that is never due', { cron: '0 0 31 2 *' }, 'input.cron'],
    ['an unknown time zone', { timeZone: 'Mars/Base' }, 'input.timeZone'],
    ['an empty name', { name: ' ' }, 'input.name'],
    ['a name of 81 characters', { name: 'x'.repeat(81) }, 'input.name'],
    ['a name with NUL', { name: 'a\0' }, 'input.name'],
    ['a bad queue', { queue: 'No Queue' }, 'input.queue'],
    ['a bad type', { type: 'no type' }, 'input.type'],
    ['101 attempts', { maxAttempts: 101 }, 'input.maxAttempts'],
    ['20 tags', { tags: Array.from({ length: 20 }, (_, i) => `t${i}`) }, 'input.tags'],
    ['an unstorable payload', { payload: 'a\0' }, 'input.payload'],
  ])('refuses %s and names the field', async (_what, more, field) => {
    const answer = await user.call(CREATE, { input: input(more) });
    expect(errorOf(answer)).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect(await app.database.schedule.count({ where: { ownerId: user.id } })).toBe(0);
  });

  test('refuses a payload that does not fit what workers announced', async () => {
    const [shard] = app.broker.low.shards;
    const key = taskTypesKey(shard?.tag ?? '');
    await app.broker.low.redis.hset(
      key,
      'strict',
      JSON.stringify({ type: 'object', required: ['file'] }),
      'echo',
      'null',
    );
    await app.services.taskTypes.refresh();
    const answer = await user.call(CREATE, { input: input({ type: 'strict', payload: {} }) });
    expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'input.payload.file' });
    await app.broker.low.redis.del(key);
    await app.services.taskTypes.refresh();
  });

  test('keeps what it was given; its tasks get the defaults that their type has when they are made', async () => {
    const [shard] = app.broker.low.shards;
    const { redis } = app.broker.low;
    const { id, timeoutMs } = await create({ type: 'slow', timeoutMs: null, backoff: null });
    await redis.hset(taskTypesKey(shard?.tag ?? ''), 'slow', 'null');
    await redis.hset(typeDefaultsKey(shard?.tag ?? ''), 'slow', '{"timeoutMs":700,"backoff":"F:50:60:0.000"}');
    await app.services.taskTypes.refresh();
    const run = 'mutation ($id: ID!) { runScheduleNow(id: $id) { timeoutMs backoff { kind delayMs } } }';
    const made = await user.call(run, { id });
    await redis.del(taskTypesKey(shard?.tag ?? ''), typeDefaultsKey(shard?.tag ?? ''));
    await app.services.taskTypes.refresh();
    expect(timeoutMs).toBeNull();
    expect(made.data.runScheduleNow).toEqual({ timeoutMs: 700, backoff: { kind: 'FIXED', delayMs: 50 } });
    expect((await user.call(run, { id })).data.runScheduleNow).toEqual({ timeoutMs: null, backoff: null });
  });

  test('refuses a second one of the same name, but lets another owner have it', async () => {
    await create();
    expect(errorOf(await user.call(CREATE, { input: input() }))).toEqual({ code: 'CONFLICT', field: 'input.name' });
    user = await app.user();
    await create();
  });

  test('makes at most a thousand, also when several come at once', async () => {
    await app.database.$executeRaw`
      INSERT INTO schedules (id, owner_id, name, cron, time_zone, missed_runs, type, queue, payload, priority, max_attempts)
      SELECT gen_random_uuid(), ${user.id}::uuid, 'n' || n, '@daily', 'UTC', 'SKIP', 'echo', 'default', '1', 'LOW', 1
      FROM generate_series(1, 998) AS n`;
    const names = ['a', 'b', 'c', 'd', 'e'];
    const answers = await Promise.all(names.map((name) => user.call(CREATE, { input: input({ name }) })));
    expect(answers.filter(({ errors }) => !errors)).toHaveLength(2);
    const refused = answers.find(({ errors }) => errors);
    expect(errorOf(refused ?? { errors: undefined })).toEqual({ code: 'BAD_USER_INPUT', field: 'input', limit: 1_000 });
  });
});

describe('updateSchedule', () => {
  test('changes what is given and leaves the rest, also when it is due', async () => {
    const before = await create({
      payload: { a: 1 },
      timeoutMs: 500,
      backoff: { kind: 'EXPONENTIAL', delayMs: 10 },
      tags: ['x'],
    });
    const after = await update(before.id, { name: 'renamed', payload: { a: 2 }, maxAttempts: 5 });
    expect(after).toEqual({
      ...before,
      name: 'renamed',
      payload: { a: 2 },
      maxAttempts: 5,
      updatedAt: after.updatedAt,
    });
    expect(new Date(after.updatedAt).getTime()).toBeGreaterThan(new Date(before.updatedAt).getTime());
    expect(
      await update(before.id, { payload: null, timeoutMs: null, backoff: null, tags: null, queue: null }),
    ).toMatchObject({
      payload: null,
      timeoutMs: null,
      backoff: null,
      tags: [],
      queue: 'default',
    });
  });

  test.each([{ cron: '0 0 1 1 *' }, { timeZone: 'Asia/Kolkata' }])(
    'finds the next due time from now on, with %j',
    async (changes) => {
      const { id } = await create();
      const long = new Date('2001-01-01T00:00:00Z');
      await app.database.schedule.update({ where: { id }, data: { nextRunAt: long } });
      expect((await update(id, { maxAttempts: 4, cron: '30 2 * * *' })).nextRunAt).toBe(long.toISOString());
      const { nextRunAt } = await update(id, changes);
      expect(new Date(nextRunAt).getTime()).toBeGreaterThan(Date.now());
    },
  );

  test('leaves a paused one without a due time, but checks the expression', async () => {
    const { id } = await create();
    await act('pauseSchedule', id);
    expect(await update(id, { cron: '@hourly' })).toMatchObject({ isPaused: true, nextRunAt: null });
    const refused = await user.call(UPDATE, { id, input: { cron: '@never' } });
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'input.cron' });
  });

  test('refuses the name of another one, and an unknown id', async () => {
    await create({ name: 'other' });
    const { id } = await create();
    const taken = await user.call(UPDATE, { id, input: { name: 'other' } });
    expect(errorOf(taken)).toEqual({ code: 'CONFLICT', field: 'input.name' });
    const unknown = await user.call(UPDATE, { id: '01900000-0000-7000-8000-000000000000', input: {} });
    expect(errorOf(unknown)).toEqual({ code: 'NOT_FOUND' });
    expect(errorOf(await user.call(UPDATE, { id: 'x', input: {} }))).toEqual({ code: 'BAD_USER_INPUT', field: 'id' });
  });
});

describe('pauseSchedule and resumeSchedule', () => {
  test('take the due time away, and give it the next one from now on', async () => {
    const { id } = await create({ cron: '@hourly' });
    await app.database.schedule.update({ where: { id }, data: { nextRunAt: new Date(Date.now() - 7_200_000) } });
    const paused = await act('pauseSchedule', id);
    expect(paused).toMatchObject({ isPaused: true, nextRunAt: null, nextRuns: [] });
    expect(await act('pauseSchedule', id)).toEqual(paused);
    const resumed = await act('resumeSchedule', id);
    expect(resumed.isPaused).toBe(false);
    expect(new Date(resumed.nextRunAt).getTime()).toBeGreaterThan(Date.now() - 1_000);
    expect(await act('resumeSchedule', id)).toEqual(resumed);
  });
});

describe('deleteSchedule', () => {
  test('leaves its tasks, and frees its name', async () => {
    const { id } = await create();
    const { data } = await user.call('mutation ($id: ID!) { runScheduleNow(id: $id) { id } }', { id });
    const gone = await user.call('mutation ($id: ID!) { deleteSchedule(id: $id) { name lastTask { id } } }', { id });
    expect(gone.data.deleteSchedule).toEqual({ name: 'nightly', lastTask: data.runScheduleNow });
    expect((await user.call(ONE, { id })).data.schedule).toBeNull();
    expect((await app.factory.task(data.runScheduleNow.id)).tags).toEqual(['schedule:nightly']);
    const again = await user.call('mutation ($id: ID!) { deleteSchedule(id: $id) { id } }', { id });
    expect(errorOf(again)).toEqual({ code: 'NOT_FOUND' });
    await create();
  });

  test('happens to the schedules of an account that is deleted', async () => {
    const { id } = await create();
    const remove = 'mutation ($password: String!) { deleteAccount(password: $password) }';
    expect((await user.call(remove, { password: PASSWORD })).errors).toBeUndefined();
    expect(await app.database.schedule.findUnique({ where: { id } })).toBeNull();
  });
});

describe('runScheduleNow', () => {
  const RUN = 'mutation ($id: ID!) { runScheduleNow(id: $id) { id type payload tags status runAt } }';

  test('makes a task at once, also of a paused one, and leaves the due times', async () => {
    const before = await create({ payload: { n: 7 }, tags: ['x'] });
    await act('pauseSchedule', before.id);
    const { data } = await user.call(RUN, { id: before.id });
    const task = data.runScheduleNow;
    expect(task).toMatchObject({
      type: 'echo',
      payload: { n: 7 },
      tags: ['x', 'schedule:nightly'],
      status: 'QUEUED',
      runAt: null,
    });
    const after = (await user.call(ONE, { id: before.id })).data.schedule;
    expect(after).toMatchObject({ lastTask: { id: task.id }, isPaused: true, nextRunAt: null });
    expect(after.lastRunAt).not.toBeNull();
    const found = await user.call('{ tasks(where: { tags: ["schedule:nightly"] }) { edges { node { id } } } }');
    expect(found.data.tasks.edges).toEqual([{ node: { id: task.id } }]);
    await app.live.begin({ id: task.id, type: 'echo', queue: 'default' });
  });
});

describe('schedules', () => {
  const PAGE = `query ($first: Int, $after: String, $last: Int, $before: String) {
    schedules(first: $first, after: $after, last: $last, before: $before) {
      edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`;
  type Edge = { cursor: string; node: { name: string } };
  const names = (edges: Edge[]): string => edges.map(({ node }) => node.name).join('');

  test('come in pages, newest first, forward and backward', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await create({ name });
    const first = (await user.call(PAGE, { first: 2 })).data.schedules;
    expect(names(first.edges)).toBe('ed');
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const rest = (await user.call(PAGE, { first: 3, after: first.pageInfo.endCursor })).data.schedules;
    expect(names(rest.edges)).toBe('cba');
    expect(rest.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const back = (await user.call(PAGE, { last: 2, before: rest.pageInfo.endCursor })).data.schedules;
    expect(names(back.edges)).toBe('cb');
    expect(errorOf(await user.call(PAGE, { first: 101 }))).toEqual({
      code: 'BAD_USER_INPUT',
      field: 'first',
      limit: 100,
    });
    expect(errorOf(await user.call(PAGE, { after: 'x' }))).toEqual({ code: 'BAD_USER_INPUT', field: 'after' });
  });

  test('bring their last tasks with one query for all', async () => {
    for (const name of ['a', 'b', 'c']) await act('runScheduleNow', (await create({ name })).id);
    const queries = recordQueries();
    const { data } = await user.call('{ schedules { edges { node { name lastTask { status } } } } }');
    expect(data.schedules.edges.map(({ node }: { node: unknown }) => node)).toEqual(
      ['c', 'b', 'a'].map((name) => ({ name, lastTask: { status: 'QUEUED' } })),
    );
    expect(queries.filter((text) => /FROM tasks/.test(text))).toHaveLength(1);
  });

  test('list due times, across a change of clocks, up to 50', async () => {
    const schedule = await makeSchedule(app, { ownerId: user.id, cron: '30 2 * * *', timeZone: 'Europe/Berlin' });
    await app.database.schedule.update({
      where: { id: schedule.id },
      data: { nextRunAt: new Date('2030-03-30T01:30:00Z') },
    });
    const list = (count: number) =>
      user.call('query ($id: ID!, $count: Int) { schedule(id: $id) { nextRuns(count: $count) } }', {
        id: schedule.id,
        count,
      });
    expect((await list(3)).data.schedule.nextRuns).toEqual([
      '2030-03-30T01:30:00.000Z',
      '2030-03-31T01:00:00.000Z',
      '2030-04-01T00:30:00.000Z',
    ]);
    expect((await list(0)).data.schedule.nextRuns).toEqual([]);
    expect((await list(50)).data.schedule.nextRuns).toHaveLength(50);
    expect(errorOf(await list(51))).toEqual({ code: 'BAD_USER_INPUT', field: 'count', limit: 50 });
    expect(errorOf(await list(-1))).toEqual({ code: 'BAD_USER_INPUT', field: 'count' });
  });

  test('say why no task was made', async () => {
    const { id } = await makeSchedule(app, { ownerId: user.id, queue: 'NOT A QUEUE' });
    await fireSchedules({ ...app.services, logger: silent });
    const { data } = await user.call(ONE, { id });
    expect(data.schedule).toMatchObject({ lastTask: null, lastError: expect.stringMatching(/^schedule\.queue: /) });
  });
});
