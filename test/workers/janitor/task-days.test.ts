import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { query, setup, type TestApp } from '../../support/setup.ts';
import { ago, cleanUpAtNow, DAY, daysOf, HOUR, keptOf, MS, makeDay, NOW, putTasks, settings } from './support.ts';

let app: TestApp;
const ownerId = uuidv7();

beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());
beforeEach(async () => {
  await cleanUpAtNow(app, { now: new Date('2026-04-01') });
  await app.database.$executeRaw`TRUNCATE tasks, task_events, task_logs, dead_letters`;
  for (const day of await daysOf(app)) await query(app.databaseUrl, 'SELECT taskflow_drop_day($1)', [day]);
});

/** Noon of a day: "2026-02-10". */
const noon = (day: string): Date => new Date(`${day}T12:00:00Z`);
const put = async (day: string, status: 'COMPLETED' | 'QUEUED' | 'SCHEDULED' = 'COMPLETED'): Promise<string> => {
  const [id = ''] = await putTasks(app, [{ ownerId, at: noon(day), status }]);
  return id;
};
const partitionOf = async (id: string) => {
  const [row] = await query<{ name: string }>(
    app.databaseUrl,
    'SELECT tableoid::regclass::text AS name FROM tasks WHERE id = $1',
    [id],
  );
  return row?.name;
};

describe('days of tasks', () => {
  test('are dropped, with their events, 30 days after their end, to the ms', async () => {
    for (const day of ['2026-02-16', '2026-02-17', '2026-02-18']) await makeDay(app, day);
    const tasks = [await put('2026-02-16'), await put('2026-02-17'), await put('2026-02-18')];
    const end = new Date('2026-02-18T00:00:00Z').getTime() + 30 * DAY;

    expect((await cleanUpAtNow(app, { now: new Date(end - MS) })).daysDropped).toEqual(['2026-02-16']);
    expect(await keptOf(app, tasks)).toEqual(tasks.slice(1));
    expect((await cleanUpAtNow(app, { now: new Date(end) })).daysDropped).toEqual(['2026-02-17']);

    expect(await keptOf(app, tasks)).toEqual(tasks.slice(2));
    const events = await app.database.taskEvent.findMany({ where: { ownerId } });
    expect(events.map(({ taskId }) => taskId)).toEqual(tasks.slice(2));
    expect([await daysOf(app), await daysOf(app, 'task_events')]).toEqual([['2026-02-18'], ['2026-02-18']]);
  });

  test('take their log lines and dead letters along', async () => {
    await makeDay(app, '2026-02-16');
    await makeDay(app, '2026-03-12');
    const [gone, kept] = [await put('2026-02-16'), await put('2026-03-12')];
    for (const taskId of [gone, kept]) {
      await app.database.deadLetter.create({ data: { taskId, ownerId } });
      const record = { level: 'info', message: 'said' };
      const line = { taskId, claimedAtSeq: 2, number: 1, attempt: 1, at: noon('2026-03-12'), record };
      await app.database.taskLog.create({ data: line });
    }
    expect(await cleanUpAtNow(app)).toMatchObject({ daysDropped: ['2026-02-16'], deadLettersDeleted: 1 });
    expect(await app.database.deadLetter.findMany()).toEqual([{ taskId: kept, ownerId }]);
    expect((await app.database.taskLog.findMany()).map(({ taskId }) => taskId)).toEqual([kept]);
  });

  test('are kept by the setting, and for ever where it is 0', async () => {
    await makeDay(app, '2026-03-12');
    await cleanUpAtNow(app, settings(app, { TASK_RETENTION_DAYS: 0 }));
    await cleanUpAtNow(app, settings(app, { TASK_RETENTION_DAYS: 8 }));
    expect(await daysOf(app)).toEqual(['2026-03-12']);
    const { daysDropped } = await cleanUpAtNow(app, settings(app, { TASK_RETENTION_DAYS: 7 }));
    expect(daysDropped).toEqual(['2026-03-12']);
  });

  test('stay as long as one of their tasks has not ended, which is said; others are dropped', async () => {
    for (const day of ['2026-01-10', '2026-01-11', '2026-01-12']) await makeDay(app, day);
    const ended = await put('2026-01-11');
    const held = [await put('2026-01-11', 'QUEUED'), await put('2026-01-11', 'SCHEDULED')];
    const { daysDropped, daysHeld } = await cleanUpAtNow(app);
    expect(daysDropped).toEqual(['2026-01-10', '2026-01-12']);
    expect(daysHeld).toEqual([{ day: '2026-01-11', unfinished: 2 }]);
    expect(await keptOf(app, [ended, ...held])).toEqual([ended, ...held]);

    await app.database.task.updateMany({
      where: { id: { in: held } },
      data: { status: 'CANCELLED', finishedAt: new Date() },
    });
    expect(await cleanUpAtNow(app)).toMatchObject({ daysDropped: ['2026-01-11'], daysHeld: [] });
  });

  test('stay when a task goes on again just before they are dropped', async () => {
    await makeDay(app, '2026-01-11');
    const id = await put('2026-01-11');
    await cleanUpAtNow(app, settings(app, { TASK_RETENTION_DAYS: 0 }));
    // As after the janitor has looked: all have ended, then one is put back by hand.
    await app.database.task.update({ where: { id }, data: { status: 'QUEUED', finishedAt: null } });
    const [row] = await query<{ dropped: boolean }>(
      app.databaseUrl,
      `SELECT taskflow_drop_day('2026-01-11') AS dropped`,
    );
    expect(row?.dropped).toBe(false);
    expect(await keptOf(app, [id])).toEqual([id]);
  });

  test('that are dropped already count as dropped', async () => {
    const [row] = await query<{ dropped: boolean }>(
      app.databaseUrl,
      `SELECT taskflow_drop_day('2026-01-11') AS dropped`,
    );
    expect(row?.dropped).toBe(true);
  });

  test('are told by a dry run, which drops none and makes no index', async () => {
    for (const day of ['2026-01-10', '2026-01-11']) await makeDay(app, day);
    await put('2026-01-11', 'QUEUED');
    const planned = await cleanUpAtNow(app, { isDryRun: true });
    expect(planned).toMatchObject({
      daysDropped: ['2026-01-10'],
      daysHeld: [{ day: '2026-01-11', unfinished: 1 }],
    });
    expect(await query(app.databaseUrl, `SELECT 1 FROM pg_class WHERE relname ~ '_unfinished$'`)).toEqual([]);
    expect(await cleanUpAtNow(app)).toEqual({ ...planned, isDryRun: false });
  });

  test('are dropped although a killed janitor left their index half made', async () => {
    await makeDay(app, '2026-01-10');
    const index = 'tasks_20260110_unfinished';
    await query(app.databaseUrl, `CREATE INDEX ${index} ON tasks_20260110 (id) WHERE finished_at IS NULL`);
    await query(app.databaseUrl, `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '${index}'::regclass`);
    expect((await cleanUpAtNow(app)).daysDropped).toEqual(['2026-01-10']);
  });
});

describe('tasks in the default partition', () => {
  /** A node whose clock is years ahead. */
  const stray = (createdAt: Date, status: 'COMPLETED' | 'QUEUED' = 'COMPLETED', at = new Date('2031-05-06')) => ({
    ownerId,
    at,
    createdAt,
    status,
  });

  test('are deleted, with their events, 30 days after PostgreSQL got them, to the ms', async () => {
    const ids = await putTasks(app, [
      stray(ago(30 * DAY)),
      stray(ago(30 * DAY - MS)),
      stray(ago(90 * DAY), 'QUEUED'),
      stray(ago(90 * DAY), 'COMPLETED', new Date('2001-01-01')),
      stray(ago(HOUR), 'COMPLETED', new Date('2001-01-01')),
    ]);
    expect(await partitionOf(ids[0] as string)).toBe('tasks_default');
    expect((await cleanUpAtNow(app)).tasksDeleted).toBe(2);
    const kept = [ids[1], ids[2], ids[4]];
    expect(await keptOf(app, ids)).toEqual(kept);
    const events = await app.database.taskEvent.findMany({ where: { ownerId }, orderBy: { position: 'asc' } });
    expect(events.map(({ taskId }) => taskId)).toEqual(kept);
  });

  test('are deleted batch by batch, and never where the setting is 0', async () => {
    await app.database.$executeRaw`
      INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts, created_at, finished_at)
      SELECT overlay(gen_random_uuid()::text PLACING '0001' FROM 1 FOR 4)::uuid, ${ownerId}::uuid, 'echo', 'default', '{}', 'LOW',
        'FAILED', 1, 1, ${ago(31 * DAY)}, now() FROM generate_series(1, 2500)`;
    expect((await cleanUpAtNow(app, settings(app, { TASK_RETENTION_DAYS: 0 }))).tasksDeleted).toBe(0);
    expect((await cleanUpAtNow(app, { isDryRun: true })).tasksDeleted).toBe(2_500);
    expect((await cleanUpAtNow(app)).tasksDeleted).toBe(2_500);
    expect(await app.database.task.count()).toBe(0);
  });
});

test('minutes of queues are deleted after 90 days', async () => {
  const minutes = [ago(90 * DAY), ago(90 * DAY - 60_000), NOW];
  await app.database.queueMinute.createMany({ data: minutes.map((minute) => ({ queue: 'default', minute })) });
  expect((await cleanUpAtNow(app)).queueMinutesDeleted).toBe(1);
  const left = await app.database.queueMinute.findMany({ orderBy: { minute: 'asc' } });
  expect(left.map(({ minute }) => minute)).toEqual(minutes.slice(1));
});

test('operations are deleted 30 days after they ended, to the ms, and never before', async () => {
  const ends = [ago(30 * DAY), ago(30 * DAY - MS), null];
  const ids = ends.map(() => uuidv7());
  const asked = {
    ownerId,
    actorId: ownerId,
    kind: 'DELETE',
    filter: {},
    isDryRun: false,
    createdAt: ago(99 * DAY),
  } as const;
  const rows = ends.map((finishedAt, i) => ({ ...asked, id: ids[i] as string, finishedAt }));
  await app.database.operation.createMany({ data: rows });
  expect((await cleanUpAtNow(app, { isDryRun: true })).operationsDeleted).toBe(1);
  expect((await cleanUpAtNow(app)).operationsDeleted).toBe(1);
  const left = await app.database.operation.findMany({ orderBy: { id: 'asc' } });
  expect(left.map(({ id }) => id)).toEqual(ids.slice(1));
});

test('entries of the audit log are deleted after 365 days, to the ms', async () => {
  const times = [ago(365 * DAY), ago(365 * DAY - MS), ago(364 * DAY), NOW];
  const entries = times.map((at) => ({ id: uuidv7({ msecs: at.getTime() }), at, action: 'LOGIN' }));
  await app.database.auditEntry.createMany({ data: entries });
  expect((await cleanUpAtNow(app, settings(app, { AUDIT_RETENTION_DAYS: 0 }))).auditEntriesDeleted).toBe(0);
  expect((await cleanUpAtNow(app)).auditEntriesDeleted).toBe(1);
  const left = await app.database.auditEntry.findMany({ orderBy: { at: 'asc' } });
  expect(left.map(({ at }) => at)).toEqual(times.slice(1));
});

test('partitions of the coming week are made, and a dry run says for how many days they are missing', async () => {
  const dayAt = (days: number): string => new Date(Date.now() + days * DAY).toISOString().slice(0, 10);
  for (const days of [3, 4]) await query(app.databaseUrl, 'SELECT taskflow_drop_day($1)', [dayAt(days)]);
  await query(app.databaseUrl, `DROP TABLE task_events_${dayAt(5).replaceAll('-', '')}`);
  const made = async () => (await cleanUpAtNow(app)).partitionDaysMade;
  expect((await cleanUpAtNow(app, { isDryRun: true })).partitionDaysMade).toBe(3);
  expect([await made(), await made()]).toEqual([3, 0]);
  const [id = ''] = await putTasks(app, [{ ownerId, at: new Date(Date.now() + 3 * DAY) }]);
  expect(await partitionOf(id)).toBe(`tasks_${dayAt(3).replaceAll('-', '')}`);
  const [settingsOf] = await query<{ reloptions: string[] }>(
    app.databaseUrl,
    'SELECT reloptions FROM pg_class WHERE oid = $1::regclass',
    [`tasks_${dayAt(3).replaceAll('-', '')}`],
  );
  expect(settingsOf?.reloptions).toEqual(['fillfactor=50']);
});
