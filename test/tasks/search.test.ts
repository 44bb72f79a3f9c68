import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/database/client.ts';
import { createPayloadIndex, dropPayloadIndex } from '../../src/database/payload-index.ts';
import { findTasks } from '../../src/tasks/find-tasks.ts';
import type { TaskWhere } from '../../src/tasks/task-where.ts';
import { recordStatements } from '../support/queries.ts';
import { setup, type TestApp } from '../support/setup.ts';

const ROWS = 200_000;
const OWNER = '01900000-0000-7000-8000-000000000001';
const OTHER = '01900000-0000-7000-8000-000000000002';

interface Plan {
  'Node Type': string;
  'Index Name'?: string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** What a row was made with, to compare with. `n` counts them from the oldest. */
interface Row {
  id: string;
  n: number;
}

let app: TestApp;
let client: pg.Client;
let rows: Row[];

beforeAll(async () => {
  app = await setup();
  client = new pg.Client({ connectionString: app.databaseUrl });
  await client.connect();
  // All of one day, wherever in it the test runs; every tenth is somebody else's.
  await client.query(`INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts, tags, created_at)
    SELECT overlay(gen_random_uuid()::text PLACING left(taskflow_first_id(at)::text, 15) FROM 1 FOR 15)::uuid,
      CASE WHEN n % 10 = 0 THEN '${OTHER}'::uuid ELSE '${OWNER}'::uuid END,
      CASE WHEN n % 20011 = 0 THEN 'rare' ELSE 'usual' END, CASE WHEN n % 20021 = 0 THEN 'rare' ELSE 'usual' END,
      jsonb_build_object('n', n, 'customer', jsonb_build_object('id', n % 20000, 'a.b', n % 7), 'items', jsonb_build_array(n % 3)),
      'NORMAL', (CASE WHEN n % 1000 = 1 OR n % 40 = 0 THEN 'FAILED' WHEN n % 50001 = 0 THEN 'PROCESSING' ELSE 'COMPLETED' END)::task_status,
      2, 3, CASE WHEN n % 5 = 1 THEN ARRAY['customer:' || n % 20000, 'odd'] WHEN n % 5 = 2 THEN ARRAY['usual'] ELSE '{}' END, at
    FROM (SELECT n, date_trunc('day', now()) + n * interval '0.1 s' AS at FROM generate_series(1, ${ROWS}) AS n) AS made
    ORDER BY n`);
  await client.query(
    "INSERT INTO dead_letters (task_id, owner_id) SELECT id, owner_id FROM tasks WHERE status = 'FAILED'",
  );
  await client.query('VACUUM ANALYZE tasks, dead_letters');
  ({ rows } = await client.query<Row>("SELECT id, (payload->>'n')::int AS n FROM tasks ORDER BY id DESC"));
}, 60_000);
afterAll(async () => {
  await client.end();
  await app.close();
});

const isOwned = ({ n }: Row): boolean => n % 10 !== 0;

/** The ids of the newest tasks that a plain look at all of them finds. */
const newest = (fits: (n: number) => boolean, count = 50): string[] =>
  rows
    .filter((row) => isOwned(row) && fits(row.n))
    .slice(0, count)
    .map(({ id }) => id);

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** Runs the search, then has PostgreSQL explain the statements that it sent, with their values. */
const search = async (where: TaskWhere, page = {}, sent = recordStatements()) => {
  // What explained the search before was recorded, too.
  sent.length = 0;
  const { nodes } = await findTasks(app.database, OWNER, where, page);
  const statements = sent.splice(0);
  expect(statements.filter(({ text }) => /FROM tasks/.test(text))).toHaveLength(1);
  let plan: Plan | undefined;
  for (const { text, values } of statements) {
    const isSearch = /FROM tasks/.test(text);
    const answer = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>({
      text: isSearch ? `EXPLAIN (ANALYZE, FORMAT JSON) ${text}` : text,
      values,
    });
    if (isSearch) plan = answer.rows[0]?.['QUERY PLAN'][0].Plan;
  }
  return { ids: nodes.map(({ id }) => id), nodes: nodesOf(plan as Plan) };
};

/** Of all index scans of the full partition: which index, and how many rows were read from the table. */
const scansOf = (nodes: readonly Plan[]) => {
  const full = nodes.filter((node) => node['Index Name'] && node['Actual Rows'] * node['Actual Loops'] > 0);
  const read = nodes
    .filter((node) => node['Relation Name']?.startsWith('tasks'))
    .reduce((sum, node) => sum + node['Actual Rows'] * node['Actual Loops'] + (node['Rows Removed by Filter'] ?? 0), 0);
  return { indexes: new Set(full.map((node) => node['Index Name']?.replace(/_\d{8}_|_default_/, '_'))), read };
};

/** Partitions without tasks may be scanned. */
const isWholeScan = (node: Plan): boolean =>
  node['Node Type'] === 'Seq Scan' && node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) > 0;

const OWNERS_INDEX = 'tasks_owner_id_id_type_queue_idx';
const createdOf = (n: number): Date => {
  const hex =
    rows
      .find((row) => row.n === n)
      ?.id.replaceAll('-', '')
      .slice(0, 12) ?? '';
  return new Date(Number.parseInt(hex, 16));
};

describe(`a search among ${ROWS} tasks`, () => {
  test.each<[string, () => TaskWhere, (n: number) => boolean, string, number]>([
    ['a rare type', () => ({ type: ['rare'] }), (n) => n % 20011 === 0, OWNERS_INDEX, 10],
    ['one of two types', () => ({ type: ['rare', 'none'] }), (n) => n % 20011 === 0, OWNERS_INDEX, 10],
    ['a rare queue', () => ({ queue: ['rare'] }), (n) => n % 20021 === 0, OWNERS_INDEX, 10],
    ['a rare tag', () => ({ tags: ['customer:16'] }), (n) => n % 20000 === 16, 'tasks_tags_idx', 10],
    ['two tags', () => ({ tags: ['customer:16', 'odd'] }), (n) => n % 20000 === 16, 'tasks_tags_idx', 10],
    ['a tag that nobody has', () => ({ tags: ['none'] }), () => false, '', 0],
    ['a usual tag', () => ({ tags: ['usual'] }), (n) => n % 5 === 2, '', 600],
    ['FAILED', () => ({ status: ['FAILED'] }), (n) => n % 1000 === 1, 'dead_letters_owner_id_task_id_idx', 51],
    ['a usual status', () => ({ status: ['COMPLETED'] }), (n) => n % 1000 !== 1 && n % 50001 !== 0, '', 200],
    ['a type and FAILED', () => ({ type: ['rare'], status: ['FAILED'] }), () => false, '', 200],
    [
      'a time',
      () => ({ createdAfter: createdOf(1_000), createdBefore: createdOf(1_012) }),
      (n) => n > 1_000 && n < 1_012,
      '',
      13_000,
    ],
    [
      'a tag and a payload',
      () => ({ tags: ['customer:16'], payload: [{ path: 'n', equals: 20_016 }] }),
      (n) => n === 20_016,
      'tasks_tags_idx',
      10,
    ],
  ])('by %s reads an index and few rows', async (_what, where, fits, index, most) => {
    const { ids, nodes } = await search(where());
    expect(ids).toEqual(newest(fits));
    expect(nodes.filter(isWholeScan)).toEqual([]);
    const { indexes, read } = scansOf(nodes);
    if (index) expect(indexes).toContain(index);
    expect(read).toBeLessThanOrEqual(most);
    for (const node of nodes) if (/Sort/.test(node['Node Type'])) expect(node['Actual Rows']).toBeLessThan(100);
  });

  test.each<[string, TaskWhere, (n: number) => boolean]>([
    ['a rare status', { status: ['PROCESSING'] }, (n) => n % 50001 === 0 && n % 1000 !== 1],
    ['a payload', { payload: [{ path: 'customer.id', equals: 77 }] }, (n) => n % 20000 === 77],
    ['a payload in a list', { payload: [{ path: 'items.0', equals: 2 }], type: ['rare'] }, (n) => n % 60033 === 40022],
  ])('by %s walks along the index of the owner, newest first', async (_what, where, fits) => {
    const { ids, nodes } = await search(where);
    expect(ids).toEqual(newest(fits));
    expect(nodes.filter((node) => isWholeScan(node) || /Sort|Gather/.test(node['Node Type']))).toEqual([]);
    const { indexes } = scansOf(nodes);
    expect([...indexes].filter((name) => name !== OWNERS_INDEX && name !== 'tasks_pkey')).toEqual([]);
  });

  test('by a payload uses an index of payloads where there is one', async () => {
    await createPayloadIndex(app.databaseUrl);
    onTestFinished(() => dropPayloadIndex(app.databaseUrl));
    await client.query('ANALYZE tasks');
    const sent = recordStatements();
    const rare = await search({ payload: [{ path: 'customer.id', equals: 77 }] }, {}, sent);
    expect(rare.ids).toEqual(newest((n) => n % 20000 === 77));
    expect(scansOf(rare.nodes).indexes).toEqual(new Set(['tasks_payload_idx']));
    expect(scansOf(rare.nodes).read).toBeLessThanOrEqual(20);
    // What half of the tasks have is sooner found by looking at one after the other.
    const usual = await search({ payload: [{ path: 'customer.a\\.b', equals: 3 }] }, { first: 5 }, sent);
    expect(usual.ids).toEqual(newest((n) => n % 7 === 3, 5));
    expect(scansOf(usual.nodes).read).toBeLessThan(ROWS / 4);
  });

  test('goes on from page to page, forward and backward', async () => {
    const where = { tags: ['odd'] };
    const all = newest((n) => n % 5 === 1, 12);
    const sent = recordStatements();
    expect((await search(where, { first: 5, after: all[3] }, sent)).ids).toEqual(all.slice(4, 9));
    expect((await search(where, { last: 4, before: all[10] }, sent)).ids).toEqual(all.slice(6, 10));
  });

  test.each([false, true])('that takes too long says so, and what to do (behind a pooler: %s)', async (isPooled) => {
    const hasty = openDatabase({ url: app.databaseUrl, poolSize: 1, timeoutMs: 500, isPooled });
    await client.query('BEGIN');
    await client.query('LOCK TABLE tasks');
    try {
      const wait = findTasks(hasty, OWNER, { payload: [{ path: 'n', equals: 1 }] }, {});
      await expect(wait).rejects.toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'where' } });
    } finally {
      await client.query('ROLLBACK');
      await hasty.$disconnect();
    }
  });
});
