import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TaskStatus } from '../../../src/tasks/task-state.ts';
import { query, setup, spawnProcess, type TestApp, waitFor } from '../../support/setup.ts';
import { ago, cleanUpAtNow, DAY, daysOf, keptOf, MS, makeDay, putTasks, settings } from './support.ts';

let app: TestApp;
const ownerId = uuidv7();
const OLD_DAY = '2026-02-16';
const END = new Date('2026-02-17T00:00:00Z').getTime();
const KEPT_DAYS = { COMPLETED_RETENTION_DAYS: 7, FAILED_RETENTION_DAYS: 90 };

beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());
beforeEach(async () => {
  await query(app.databaseUrl, 'SELECT taskflow_abandon_rewrites()');
  await app.database.$executeRaw`TRUNCATE tasks, task_events, task_logs, dead_letters, idempotency_keys`;
  for (const day of await daysOf(app)) await query(app.databaseUrl, 'SELECT taskflow_drop_day($1)', [day]);
});

/** Tasks of the old day with these statuses, each with an event, a log line and an idempotency key. Returns their ids. */
const put = async (...statuses: TaskStatus[]): Promise<string[]> => {
  const at = new Date(`${OLD_DAY}T12:00:00Z`);
  const ids = await putTasks(
    app,
    statuses.map((status) => ({ ownerId, at, status })),
  );
  for (const [i, taskId] of ids.entries()) {
    const line = { taskId, claimedAtSeq: 2, number: 1, attempt: 1, at, record: { message: 'said' } };
    await app.database.taskLog.create({ data: line });
    await app.database.idempotencyKey.create({
      data: { ownerId, key: taskId, taskId, requestHash: new Uint8Array(), createdAt: at },
    });
    if (statuses[i] === 'FAILED') await app.database.deadLetter.create({ data: { taskId, ownerId } });
  }
  return ids;
};

/** Cleans up so many days after the end of the old day. */
const cleanUpAfter = (days: number, config: Partial<TestApp['config']> = KEPT_DAYS, more = {}) =>
  cleanUpAtNow(app, { now: new Date(END + days * DAY), ...settings(app, config), ...more });

/** The tasks that each table speaks of. */
const whoIsIn = async () => {
  const of = async (table: string): Promise<string[]> =>
    (await query<{ id: string }>(app.databaseUrl, `SELECT DISTINCT task_id AS id FROM ${table} ORDER BY 1`)).map(
      ({ id }) => id,
    );
  return {
    events: await of('task_events'),
    logs: await of('task_logs'),
    letters: await of('dead_letters'),
    keys: await of('idempotency_keys'),
  };
};
const partitionOid = async (): Promise<string> =>
  (await query<{ oid: string }>(app.databaseUrl, `SELECT 'tasks_20260216'::regclass::oid::text AS oid`))[0]?.oid ?? '';
const leftovers = () =>
  query(
    app.databaseUrl,
    `SELECT relname AS name FROM pg_class WHERE relname ~ '_kept$|^taskflow_rewritten' UNION ALL
     SELECT tgname FROM pg_trigger WHERE tgname = 'taskflow_rewrite' UNION ALL
     SELECT conname FROM pg_constraint WHERE conname = 'taskflow_rewrite'`,
  );

describe('a day whose tasks have had their time by how they ended', () => {
  test('is rewritten without them, to the ms, and dropped at last', async () => {
    await makeDay(app, OLD_DAY);
    const [completed = '', failed = '', cancelled = ''] = await put('COMPLETED', 'FAILED', 'CANCELLED');

    expect((await cleanUpAfter(7 - MS / DAY)).daysRewritten).toEqual([]);
    expect(await cleanUpAfter(7)).toMatchObject({
      daysRewritten: [{ day: OLD_DAY, without: ['COMPLETED'] }],
      daysDropped: [],
      failures: [],
    });
    expect(await keptOf(app, [completed, failed, cancelled])).toEqual([failed, cancelled]);
    const left = [failed, cancelled].sort();
    expect(await whoIsIn()).toEqual({ events: left, logs: left, letters: [failed], keys: [] });

    expect((await cleanUpAfter(30)).daysRewritten).toEqual([{ day: OLD_DAY, without: ['COMPLETED', 'CANCELLED'] }]);
    expect(await whoIsIn()).toEqual({ events: [failed], logs: [failed], letters: [failed], keys: [] });
    expect(await cleanUpAfter(90 - MS / DAY)).toMatchObject({ daysRewritten: [], daysDropped: [] });

    expect((await cleanUpAfter(90)).daysDropped).toEqual([OLD_DAY]);
    expect(await whoIsIn()).toEqual({ events: [], logs: [], letters: [], keys: [] });
    expect(await leftovers()).toEqual([]);
  });

  test('is rewritten once, and takes writes as before', async () => {
    await makeDay(app, OLD_DAY);
    const [, failed = ''] = await put('COMPLETED', 'FAILED');
    const before = await partitionOid();
    await cleanUpAfter(7);
    const after = await partitionOid();
    expect(after).not.toBe(before);
    expect((await cleanUpAfter(8)).daysRewritten).toEqual([]);
    expect(await partitionOid()).toBe(after);

    await put('QUEUED');
    await expect(putAgain(failed)).rejects.toThrow('Unique constraint failed');
    const [shape] = await query<{ options: string[]; indexes: number; checks: number }>(
      app.databaseUrl,
      `SELECT c.reloptions AS options, (SELECT count(*)::int FROM pg_index x JOIN pg_inherits i ON i.inhrelid = x.indexrelid
         WHERE x.indrelid = c.oid AND x.indisvalid) AS indexes,
         (SELECT count(*)::int FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c') AS checks
       FROM pg_class c WHERE c.relname = 'tasks_20260216'`,
    );
    const [parent] = await query<{ n: number }>(
      app.databaseUrl,
      `SELECT count(*)::int AS n FROM pg_index WHERE indrelid = 'tasks'::regclass`,
    );
    expect(shape).toEqual({ options: ['fillfactor=50'], indexes: parent?.n, checks: 0 });
  });

  test('keeps what has not ended, and is held by it at last', async () => {
    await makeDay(app, OLD_DAY);
    const [, ...unfinished] = await put('COMPLETED', 'QUEUED', 'SCHEDULED', 'PROCESSING', 'WAITING');
    await cleanUpAfter(7);
    expect(await keptOf(app, unfinished)).toEqual(unfinished);
    expect((await whoIsIn()).keys).toEqual(unfinished.toSorted());
    expect((await cleanUpAfter(90)).daysHeld).toEqual([{ day: OLD_DAY, unfinished: 4 }]);
  });

  test('is only ever rewritten where some are kept for ever', async () => {
    await makeDay(app, OLD_DAY);
    const ids = await put('COMPLETED', 'FAILED', 'CANCELLED');
    const summary = await cleanUpAfter(200, { TASK_RETENTION_DAYS: 30, FAILED_RETENTION_DAYS: 0 });
    expect(summary.daysRewritten).toEqual([{ day: OLD_DAY, without: ['COMPLETED', 'CANCELLED'] }]);
    expect(await keptOf(app, ids)).toEqual([ids[1]]);
  });

  test('is told by a dry run, which changes nothing', async () => {
    await makeDay(app, OLD_DAY);
    const ids = await put('COMPLETED', 'FAILED');
    const before = await partitionOid();
    const { daysRewritten } = await cleanUpAfter(7, KEPT_DAYS, { isDryRun: true });
    expect(daysRewritten).toEqual([{ day: OLD_DAY, without: ['COMPLETED'] }]);
    expect([await keptOf(app, ids), await partitionOid()]).toEqual([ids, before]);
  });

  test('is copied in more than one batch', async () => {
    await makeDay(app, OLD_DAY);
    await putMany(OLD_DAY, 2_500);
    const sum = 'SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM tasks';
    expect((await cleanUpAfter(7)).daysRewritten).toHaveLength(1);
    expect(await query(app.databaseUrl, sum)).toEqual([{ n: 1_250, ids: 1_250 }]);
  });
});

const putAgain = (id: string) =>
  app.database.task.create({
    data: {
      id,
      ownerId,
      type: 'echo',
      queue: 'q',
      payload: {},
      priority: 'LOW',
      status: 'QUEUED',
      seq: 1,
      maxAttempts: 1,
    },
  });

/** Every second one COMPLETED, the others FAILED; each with an event. */
const putMany = (day: string, count: number) =>
  query(
    app.databaseUrl,
    `WITH made AS (
       INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts, created_at, finished_at)
       SELECT overlay(gen_random_uuid()::text PLACING left(taskflow_first_id($1)::text, 13) FROM 1 FOR 13)::uuid, $2, 'echo', 'default',
         '{}', 'LOW', CASE WHEN i % 2 = 0 THEN 'COMPLETED' ELSE 'FAILED' END::task_status, 1, 1, $1, now()
       FROM generate_series(1, $3::int) i RETURNING id, status)
     INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt)
     SELECT id, 1, $2, row_number() OVER (), status, now(), 1 FROM made`,
    [`${day}T12:00:00Z`, ownerId, count],
  );

describe('what changes while a day is rewritten', () => {
  const WITHOUT = '{COMPLETED,CANCELLED}';
  const begin = async (): Promise<void> => {
    await query(app.databaseUrl, 'SELECT taskflow_begin_rewrite($1)', [OLD_DAY]);
    const first = '00000000-0000-0000-0000-000000000000';
    await query(app.databaseUrl, 'SELECT taskflow_copy_next($1, $2, 1000, $3)', [OLD_DAY, first, WITHOUT]);
  };
  const finish = async (most: number): Promise<boolean | undefined> => {
    const sql = 'SELECT taskflow_finish_rewrite($1, $2, $3) AS done';
    return (await query<{ done: boolean }>(app.databaseUrl, sql, [OLD_DAY, WITHOUT, most]))[0]?.done;
  };

  test('is not lost', async () => {
    await makeDay(app, OLD_DAY);
    const [retried = '', moved = '', ended = '', deleted = '', said = '', gone = ''] = await put(
      'CANCELLED',
      'QUEUED',
      'PROCESSING',
      'FAILED',
      'PROCESSING',
      'COMPLETED',
    );
    await begin();
    const { task, taskEvent, taskLog } = app.database;
    await task.update({ where: { id: retried }, data: { status: 'QUEUED', seq: 2, finishedAt: null } });
    await task.update({ where: { id: moved }, data: { status: 'PROCESSING', seq: 2, progress: 40 } });
    const at = new Date(`${OLD_DAY}T13:00:00Z`);
    const event = { taskId: moved, seq: 2, ownerId, position: 99, status: 'PROCESSING', at, attempt: 1 } as const;
    await taskEvent.create({ data: event });
    await task.update({ where: { id: ended }, data: { status: 'COMPLETED', seq: 2, finishedAt: at } });
    await task.delete({ where: { id: deleted } });
    await taskEvent.deleteMany({ where: { taskId: deleted } });
    await taskLog.create({
      data: { taskId: said, claimedAtSeq: 2, number: 2, attempt: 1, at, record: { message: '!' } },
    });
    const [late = ''] = await put('QUEUED');

    expect(await finish(100)).toBe(true);

    const all = [retried, moved, ended, deleted, said, gone, late];
    expect(await keptOf(app, all)).toEqual([retried, moved, said, late]);
    expect(await task.findUnique({ where: { id: moved } })).toMatchObject({ status: 'PROCESSING', progress: 40 });
    expect(await task.findUnique({ where: { id: retried } })).toMatchObject({ status: 'QUEUED', seq: 2 });
    expect(await taskEvent.count({ where: { taskId: moved } })).toBe(2);
    expect(await taskLog.count({ where: { taskId: said } })).toBe(2);
    const left = [retried, moved, said, late].sort();
    expect(await whoIsIn()).toMatchObject({ events: left, logs: left });
    expect(await leftovers()).toEqual([]);
  });

  test('is too much: the day stays as it is, and the next run tries again', async () => {
    await makeDay(app, OLD_DAY);
    const ids = await put('FAILED', 'FAILED', 'COMPLETED');
    await begin();
    await app.database.task.updateMany({ data: { progress: 1 } });
    expect(await finish(2)).toBe(false);
    expect(await keptOf(app, ids)).toEqual(ids);
    expect((await cleanUpAfter(7)).daysRewritten).toHaveLength(1);
    expect(await keptOf(app, ids)).toEqual(ids.slice(0, 2));
  });

  test('is noted for nobody any more once a janitor that was killed has a successor', async () => {
    await makeDay(app, OLD_DAY);
    const ids = await put('FAILED', 'COMPLETED');
    await begin();
    // Nothing has had its time: there is only to remove what was left.
    await cleanUpAfter(1);
    expect(await leftovers()).toEqual([]);
    await app.database.task.updateMany({ data: { progress: 1 } });
    expect(await keptOf(app, ids)).toEqual(ids);
  });
});

test('a janitor killed while it rewrites leaves everything whole, and the next run finishes', async () => {
  const day = new Date(Date.now() - 40 * DAY).toISOString().slice(0, 10);
  await makeDay(app, day);
  await putMany(day, 20_000);
  const torn = `SELECT count(*)::int AS n FROM tasks t FULL JOIN task_events e ON e.task_id = t.id WHERE t.id IS NULL OR e.task_id IS NULL`;
  const count = async (sql: string): Promise<number> => (await query<{ n: number }>(app.databaseUrl, sql))[0]?.n ?? -1;
  const env = { ...app.env, COMPLETED_RETENTION_DAYS: '7', TASK_RETENTION_DAYS: '0' };
  const kept = `tasks_${day.replaceAll('-', '')}_kept`;
  const moments = {
    'it has begun': `SELECT count(*)::int AS n FROM pg_class WHERE relname = 'taskflow_rewritten'`,
    'it copies': `SELECT (pg_relation_size(to_regclass('${kept}')) > 0)::int AS n`,
  };
  for (const [what, sql] of Object.entries(moments)) {
    const child = spawnProcess(['janitor'], env);
    await waitFor(async () => (await count(sql)) > 0, { what });
    expect(await child.kill('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    expect(await count(torn)).toBe(0);
    expect(await count('SELECT count(*)::int AS n FROM tasks')).toBe(20_000);
  }
  const child = spawnProcess(['janitor'], env);
  expect(await child.exit).toEqual({ code: 0, signal: null });
  expect(child.output()).toContain(`1 rewritten (${day} without COMPLETED)`);
  expect(await count('SELECT count(*)::int AS n FROM tasks')).toBe(10_000);
  expect(await count(torn)).toBe(0);
  expect(await leftovers()).toEqual([]);
}, 60_000);

test('tasks in the default partition go by how they ended, with all that belongs to them', async () => {
  const old = { ownerId, at: new Date('2031-05-06'), createdAt: ago(8 * DAY) };
  const [completed = '', failed = '', older = ''] = await putTasks(app, [
    old,
    { ...old, status: 'FAILED' },
    { ...old, status: 'FAILED', createdAt: ago(90 * DAY) },
  ]);
  for (const taskId of [failed, older]) await app.database.deadLetter.create({ data: { taskId, ownerId } });
  const { tasksDeleted } = await cleanUpAtNow(app, settings(app, KEPT_DAYS));
  expect(tasksDeleted).toBe(2);
  expect(await keptOf(app, [completed, failed, older])).toEqual([failed]);
  expect(await whoIsIn()).toMatchObject({ events: [failed], letters: [failed] });
});
