import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';
import { waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let user: TestUser;
/** Oldest first. */
let ids: string[];

const TASKS = `query ($where: TaskWhere, $first: Int, $after: String, $last: Int, $before: String) {
  tasks(where: $where, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

const page = async (variables: Record<string, unknown> = {}, who = user) => {
  const { data } = await who.call(TASKS, variables);
  const { edges, pageInfo } = data.tasks;
  return { ids: edges.map(({ node }: { node: { id: string } }) => node.id) as string[], ...pageInfo };
};

/** By their places in `ids`, newest first. */
const newest = (...places: number[]): string[] => places.sort((a, b) => b - a).map((place) => ids[place] as string);

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
  const inputs = Array.from({ length: 10 }, (_, i) => ({
    type: i % 2 === 0 ? 'even' : 'odd',
    queue: i < 5 ? 'low' : 'high',
    tags: i === 3 ? ['red', 'blue'] : i === 4 ? ['red'] : [],
    payload: { i },
  }));
  const { data } = await user.call('mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }', {
    inputs,
  });
  ids = data.createTasks.map(({ id }: { id: string }) => id);
});
afterAll(() => app.close());

describe('pages of tasks', () => {
  test('go from the newest to the oldest', async () => {
    const first = await page({ first: 4 });
    expect(first).toMatchObject({ ids: newest(9, 8, 7, 6), hasNextPage: true, hasPreviousPage: false });
    const second = await page({ first: 4, after: first.endCursor });
    expect(second).toMatchObject({ ids: newest(5, 4, 3, 2), hasNextPage: true, hasPreviousPage: true });
    const third = await page({ first: 4, after: second.endCursor });
    expect(third).toMatchObject({ ids: newest(1, 0), hasNextPage: false, hasPreviousPage: true });
  });

  test('go back from the oldest to the newest, each newest first', async () => {
    const last = await page({ last: 4 });
    expect(last).toMatchObject({ ids: newest(3, 2, 1, 0), hasNextPage: false, hasPreviousPage: true });
    const before = await page({ last: 4, before: last.startCursor });
    expect(before).toMatchObject({ ids: newest(7, 6, 5, 4), hasNextPage: true, hasPreviousPage: true });
    expect(await page({ last: 4, before: before.startCursor })).toMatchObject({
      ids: newest(9, 8),
      hasPreviousPage: false,
    });
  });

  test('take `after` and `before` together', async () => {
    expect(await page({ after: ids[8], before: ids[2] })).toMatchObject({
      ids: newest(7, 6, 5, 4, 3),
      hasNextPage: false,
    });
  });

  test('may be empty', async () => {
    expect(await page({ first: 0 })).toEqual({
      ids: [],
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: null,
      endCursor: null,
    });
  });

  test('are not shifted by tasks that are added meanwhile', async () => {
    const other = await app.user();
    const add = async () =>
      (await other.call('mutation { createTask(input: { type: "x" }) { id } }')).data.createTask.id as string;
    const [a, b, c] = [await add(), await add(), await add()];
    const first = await page({ first: 2 }, other);
    expect(first.ids).toEqual([c, b]);
    await add();
    expect((await page({ first: 2, after: first.endCursor }, other)).ids).toEqual([a]);
  });

  test.each([
    ['501', { first: 501 }, { field: 'first', limit: 500 }],
    ['501 from the end', { last: 501 }, { field: 'last', limit: 500 }],
    ['a negative number', { first: -1 }, { field: 'first' }],
    ['both directions', { first: 1, last: 1 }, { field: 'last' }],
    ['a cursor that is none', { after: 'x' }, { field: 'after' }],
    ['an id that is no UUID', { where: { ids: ['x'] } }, { field: 'where.ids.0' }],
    ['a queue name that cannot be', { where: { queue: ['ok', 'NO'] } }, { field: 'where.queue.1' }],
    [
      '501 ids',
      { where: { ids: Array.from({ length: 501 }, () => '01900000-0000-7000-8000-000000000000') } },
      { field: 'where.ids', limit: 500 },
    ],
  ])('refuse %s', async (_what, variables, expected) => {
    expect(errorOf(await user.call(TASKS, variables))).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });
});

describe('filters of tasks', () => {
  test.each([
    ['ids', { ids: [0, 7] }, [7, 0]],
    ['no ids', { ids: [] }, []],
    ['a queue', { queue: ['low'] }, [4, 3, 2, 1, 0]],
    ['one of two queues', { queue: ['low', 'high'], type: ['odd'] }, [9, 7, 5, 3, 1]],
    ['a type and a queue', { type: ['even'], queue: ['high'] }, [8, 6]],
    ['a tag', { tags: ['red'] }, [4, 3]],
    ['all of two tags', { tags: ['red', 'blue'] }, [3]],
    ['a status', { status: ['QUEUED'] }, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]],
    ['another status', { status: ['FAILED', 'COMPLETED'] }, []],
  ])('find tasks by %s', async (_what, where, places) => {
    const named = 'ids' in where ? { ids: where.ids.map((place: number) => ids[place]?.toUpperCase()) } : where;
    expect((await page({ where: named })).ids).toEqual(newest(...places));
  });

  test('find tasks by the time they were made, with both ends left out', async () => {
    const [row] = await app.database.$queryRaw<
      { at: Date }[]
    >`SELECT created_at AS at FROM tasks WHERE id = ${ids[0]}::uuid`;
    const at = row?.at.getTime() ?? 0;
    const iso = (ms: number) => new Date(ms).toISOString();
    expect((await page({ where: { createdAfter: iso(at - 1), createdBefore: iso(at + 1) } })).ids).toHaveLength(10);
    expect((await page({ where: { createdAfter: iso(at) } })).ids).toEqual([]);
    expect((await page({ where: { createdBefore: iso(at) } })).ids).toEqual([]);
  });
});

describe('filters of payloads', () => {
  const PAYLOAD = {
    'n.m': 1,
    none: null,
    text: '1',
    list: [{ sku: 'a' }, { sku: 'b' }],
    deep: { a: { b: [], c: true } },
    7: 'seven',
  };
  let owner: TestUser;
  let id: string;

  beforeAll(async () => {
    owner = await app.user();
    const payloads = [PAYLOAD, { text: 1, list: [{ sku: 'c' }] }, [PAYLOAD], 'text', undefined];
    const { data } = await owner.call(
      'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }',
      { inputs: payloads.map((payload) => ({ type: 'x', payload })) },
    );
    id = data.createTasks[0].id;
  });

  test.each<[string, unknown]>([
    ['n\\.m', 1],
    ['n\\.m', 1.0],
    ['none', null],
    ['text', '1'],
    ['list.0.sku', 'a'],
    ['list.-1.sku', 'b'],
    ['list', [{ sku: 'a' }, { sku: 'b' }]],
    ['deep.a.b', []],
    ['deep.a', { c: true, b: [] }],
    ['deep.a.c', true],
    ['7', 'seven'],
  ])('find what has at %s the value %j', async (path, equals) => {
    expect((await page({ where: { payload: [{ path, equals }] } }, owner)).ids).toEqual([id]);
    expect((await page({ where: { payload: [{ path, equals }] } })).ids).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['n.m', 1],
    ['missing', null],
    ['text', true],
    ['list.1.sku', 'a'],
    ['list.sku', 'a'],
    ['deep.a', {}],
    ['deep', { a: {} }],
    ["text'; --", "'"],
  ])('do not find what has at %s not the value %j', async (path, equals) => {
    expect((await page({ where: { payload: [{ path, equals }] } }, owner)).ids).toEqual([]);
  });

  test('must all hold, beside what else is asked for', async () => {
    const both = [
      { path: 'none', equals: null },
      { path: 'text', equals: '1' },
    ];
    expect((await page({ where: { payload: both, type: ['x'] } }, owner)).ids).toEqual([id]);
    expect((await page({ where: { payload: [...both, { path: '7', equals: 7 }] } }, owner)).ids).toEqual([]);
    expect((await page({ where: { payload: both, type: ['y'] } }, owner)).ids).toEqual([]);
  });

  test.each([
    ['an empty path', { path: '', equals: 1 }, { field: 'where.payload.0.path' }],
    ['an empty key', { path: 'a..b', equals: 1 }, { field: 'where.payload.0.path' }],
    ['a long path', { path: 'a'.repeat(501), equals: 1 }, { field: 'where.payload.0.path', limit: 500 }],
    ['NUL in a path', { path: 'a\0', equals: 1 }, { field: 'where.payload.0.path' }],
    ['no value', { path: 'a' }, { field: 'where.payload.0.equals' }],
    ['a large value', { path: 'a', equals: 'x'.repeat(4_095) }, { field: 'where.payload.0.equals', limit: 4_096 }],
    ['NUL in a value', { path: 'a', equals: ['\0'] }, { field: 'where.payload.0.equals' }],
  ])('refuse %s', async (_what, filter, expected) => {
    const answer = await user.call(TASKS, { where: { payload: [filter] } });
    expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });

  test('refuse more than ten', async () => {
    const payload = Array.from({ length: 11 }, () => ({ path: 'a', equals: 1 }));
    const answer = await user.call(TASKS, { where: { payload } });
    expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'where.payload', limit: 10 });
  });
});

describe('the queries behind a page', () => {
  test('are one for the page, and one for each part that is read in addition', async () => {
    const queries = recordQueries();
    const { data } = await user.call('{ tasks { edges { node { id payload result events { seq status } } } } }');
    expect(data.tasks.edges).toHaveLength(10);
    expect(data.tasks.edges[0].node).toMatchObject({
      payload: { i: 9 },
      result: null,
      events: [{ seq: 1, status: 'QUEUED' }],
    });
    expect(queries.filter((sql) => /\bFROM tasks\b/.test(sql))).toHaveLength(2);
    expect(queries.filter((sql) => /\bFROM task_events\b/.test(sql))).toHaveLength(1);
    expect(queries).toHaveLength(3);
  });

  test('read neither payloads nor results that nobody asked for, and use no OFFSET', async () => {
    const queries = recordQueries();
    await page({ first: 2, after: ids[5] });
    expect(queries).toHaveLength(1);
    expect(queries[0]).not.toMatch(/payload|result|OFFSET/);
  });

  test('find the first page of many by the owner and the order of ids', async () => {
    await app.database
      .$executeRaw`INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts, tags)
      SELECT uuidv7(), CASE WHEN n % 20 = 0 THEN ${user.id}::uuid ELSE gen_random_uuid() END, 'bulk', 'bulk', 'null', 'NORMAL', 'QUEUED', 1, 3, '{}'
      FROM generate_series(1, 20000) AS n`;
    await app.database.$executeRaw`ANALYZE tasks`;
    const plan = await app.database.$queryRaw<{ 'QUERY PLAN': string }[]>`
      EXPLAIN SELECT id FROM tasks WHERE owner_id = ${user.id}::uuid ORDER BY id DESC LIMIT 51`;
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toMatch(/Index (Only )?Scan Backward using tasks_\d+_owner_id_id_type_queue_idx/);
    expect(text).not.toMatch(/-> +(Sort|Seq Scan on tasks_2)/);
  });

  test('look only at the partitions of the days asked for', async () => {
    const queries = recordQueries();
    const today = new Date();
    await page({ where: { createdAfter: new Date(today.getTime() - 60_000).toISOString() } });
    expect(queries[0]).toMatch(/id >= \$/);
    const low = `${(today.getTime() - 660_000)
      .toString(16)
      .padStart(12, '0')
      .replace(/^(.{8})/, '$1-')}-0000-0000-000000000000`;
    const plan = await app.database.$queryRaw<{ 'QUERY PLAN': string }[]>`
      EXPLAIN SELECT id FROM tasks WHERE owner_id = ${user.id}::uuid AND id >= ${low}::uuid ORDER BY id DESC LIMIT 51`;
    const yesterday = new Date(today.getTime() - 86_400_000).toISOString().slice(0, 10).replaceAll('-', '');
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    if (today.getUTCHours() > 0) expect(text).not.toContain(`tasks_${yesterday}`);
  });
});

describe('the changes cursor of a page', () => {
  const FOLLOWED = '{ tasks { changesCursor edges { node { id status } } } }';
  const submit = async (who: TestUser) => {
    const { data } = await who.call('mutation { createTask(input: { type: "echo", queue: "followed" }) { id } }');
    return { id: data.createTask.id as string, type: 'echo', queue: 'followed' };
  };

  test('is where to follow the page from: later changes come, those before it do not', async () => {
    const other = await app.user();
    expect((await other.call(FOLLOWED)).data.tasks).toEqual({ changesCursor: '0', edges: [] });
    const task = await submit(other);
    const { data } = await other.call(FOLLOWED);
    expect(data.tasks).toEqual({ changesCursor: '1', edges: [{ node: { id: task.id, status: 'QUEUED' } }] });
    await app.live.begin(task);
    const query = 'subscription ($after: String) { taskChanges(after: $after) { cursor event { taskId status } } }';
    const changes = await subscribe(app.yoga, other.headers, query, { after: data.tasks.changesCursor });
    expect(await changes.take(1)).toEqual([{ cursor: '2', event: { taskId: task.id, status: 'PROCESSING' } }]);
  });

  test('is read before the page, so that no change falls between', async () => {
    const queries = recordQueries();
    const has = (part: string) => queries.some((text) => text.includes(part));
    let answer: Promise<unknown> | undefined;
    await app.database.$transaction(async (transaction) => {
      await transaction.$executeRaw`LOCK TABLE owner_feeds IN ACCESS EXCLUSIVE MODE`;
      answer = user.call(FOLLOWED);
      await waitFor(() => has('FROM owner_feeds'));
      expect(has('FROM tasks')).toBe(false);
    });
    await answer;
    expect(has('FROM tasks')).toBe(true);
  });

  test('is not read where it is not asked for', async () => {
    const queries = recordQueries();
    await page();
    expect(queries.filter((text) => text.includes('owner_feeds'))).toEqual([]);
  });

  test("is null on an admin's page, which has everybody's tasks, but for that of one owner", async () => {
    const admin = await app.admin();
    const query = `{ tasks(where: { ownerId: "${user.id}" }) { changesCursor edges { node { ownerId } } } }`;
    const { tasks } = (await admin.call(query)).data;
    expect(tasks.changesCursor).toBe((await user.call('{ taskChangesCursor }')).data.taskChangesCursor);
    const owners = tasks.edges.map(({ node }: { node: { ownerId: string } }) => node.ownerId);
    expect(new Set(owners)).toEqual(new Set([user.id]));
    expect(errorOf(await admin.call('{ tasks(where: { ownerId: "42" }) { changesCursor } }'))).toEqual({
      code: 'BAD_USER_INPUT',
      field: 'where.ownerId',
    });
    expect((await admin.call('{ tasks { changesCursor } }')).data.tasks).toEqual({ changesCursor: null });
  });
});
