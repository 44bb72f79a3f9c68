import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { query, setup, spawnProcess, type TestApp, waitFor } from '../../support/setup.ts';
import { DAY, makeDay, putTasks } from './support.ts';

const OLD_DAYS = 8;
/** In days: the day of this age has a task that has not ended. */
const HELD_AGE = 55;
const KEYS = 9_000;
const STRAYS = 4_000;
const userId = uuidv7();

const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY);

/** A great deal of everything that is old, and some of everything that is not. Returns the tasks that must stay. */
const fill = async (app: TestApp): Promise<string[]> => {
  await query(app.databaseUrl, `INSERT INTO users (id, email, username, password_hash) VALUES ($1, 'a', 'a', 'x')`, [
    userId,
  ]);
  // Alternating: to revoke, to delete, to keep.
  await query(
    app.databaseUrl,
    `INSERT INTO api_keys (id, user_id, name, prefix, secret_hash, scopes, created_at, expires_at, revoked_at)
     SELECT gen_random_uuid(), $1, (ARRAY['revoke', 'delete', 'keep'])[i % 3 + 1], 'tf', sha256(i::text::bytea), '{}', now(),
       CASE WHEN i % 3 = 0 THEN now() - interval '1 day' END, CASE WHEN i % 3 = 1 THEN now() - interval '31 days' END
     FROM generate_series(1, $2::int) i`,
    [userId, KEYS],
  );
  await query(
    app.databaseUrl,
    `WITH old AS (
       INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts, created_at, finished_at)
       SELECT overlay(gen_random_uuid()::text PLACING '0001' FROM 1 FOR 4)::uuid, $1, 'echo', 'default', '{}', 'LOW', 'COMPLETED', 1, 1,
         now() - interval '40 days', now() FROM generate_series(1, $2::int) RETURNING id)
     INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt)
     SELECT id, 1, $1, row_number() OVER (), 'COMPLETED', now(), 1 FROM old`,
    [userId, STRAYS],
  );
  await query(
    app.databaseUrl,
    `INSERT INTO idempotency_keys (owner_id, key, task_id, request_hash, created_at)
     SELECT $1, i::text, gen_random_uuid(), '', now() - interval '1 hour' * (24 + i * 0.001) FROM generate_series(1, $2::int) i`,
    [userId, STRAYS],
  );
  const ages = Array.from({ length: OLD_DAYS }, (_, i) => 60 - i);
  for (const age of ages) await makeDay(app, daysAgo(age).toISOString().slice(0, 10));
  const old = await putTasks(
    app,
    ages.map((age) => ({ ownerId: userId, at: daysAgo(age) })),
  );
  const held = { ownerId: userId, at: daysAgo(HELD_AGE), status: 'QUEUED' as const };
  const recent = { ownerId: userId, at: daysAgo(0) };
  const others = await putTasks(app, [held, recent, { ...recent, at: daysAgo(-3_000), createdAt: new Date() }]);
  return [old[ages.indexOf(HELD_AGE)] as string, ...others];
};

/** Makes each batch, each index and each drop take so long that a kill can hit it. */
const slowDown = (app: TestApp) =>
  query(
    app.databaseUrl,
    `CREATE FUNCTION slow_row() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
     CREATE TRIGGER slow AFTER UPDATE OR DELETE ON api_keys EXECUTE FUNCTION slow_row();
     CREATE TRIGGER slow AFTER DELETE ON tasks_default EXECUTE FUNCTION slow_row();
     CREATE TRIGGER slow AFTER DELETE ON idempotency_keys EXECUTE FUNCTION slow_row();
     CREATE FUNCTION slow_ddl() RETURNS EVENT_TRIGGER LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); END $$;
     CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow_ddl();`,
  );

/** How much of what must go is still there, step by step. */
const REMAINING = {
  toRevoke: `SELECT count(*)::int AS n FROM api_keys WHERE name = 'revoke' AND revoked_at IS NULL`,
  toDelete: `SELECT count(*)::int AS n FROM api_keys WHERE name = 'delete'`,
  days: `SELECT count(*)::int AS n FROM pg_class WHERE relname ~ '^tasks_[0-9]{8}$' AND right(relname, 8)::date < now() - interval '32 days'`,
  indexes: `SELECT -count(*)::int AS n FROM pg_class WHERE relname ~ '_unfinished$'`,
  strays: 'SELECT count(*)::int AS n FROM tasks_default',
  idempotencyKeys: 'SELECT count(*)::int AS n FROM idempotency_keys',
};
const remaining = async (app: TestApp, what: keyof typeof REMAINING): Promise<number> =>
  (await query<{ n: number }>(app.databaseUrl, REMAINING[what]))[0]?.n ?? 0;

interface Books {
  days: number;
  eventDays: number;
  toRevoke: number;
  toDelete: number;
  kept: number;
  strays: number;
  idempotencyKeys: number;
  /** Tasks without events, and events without a task. */
  torn: number;
}

const readBooks = async (app: TestApp): Promise<Books> => {
  const [rest] = await query<{ eventDays: number; kept: number; torn: number }>(
    app.databaseUrl,
    `SELECT (SELECT count(*)::int FROM pg_class WHERE relname ~ '^task_events_[0-9]{8}$' AND right(relname, 8)::date < now() - interval '32 days') AS "eventDays",
      (SELECT count(*)::int FROM api_keys WHERE name = 'keep' AND revoked_at IS NULL) AS kept,
      (SELECT count(*)::int FROM tasks t FULL JOIN task_events e ON e.task_id = t.id WHERE t.id IS NULL OR e.task_id IS NULL) AS torn`,
  );
  const of = (what: keyof typeof REMAINING) => remaining(app, what);
  const [days, toRevoke, toDelete] = [await of('days'), await of('toRevoke'), await of('toDelete')];
  const [strays, idempotencyKeys] = [await of('strays'), await of('idempotencyKeys')];
  return {
    days,
    toRevoke,
    toDelete,
    strays,
    idempotencyKeys,
    ...(rest as { eventDays: number; kept: number; torn: number }),
  };
};

test('killed in the middle of each of its steps, it leaves everything whole, and the next run finishes', {
  timeout: 180_000,
}, async () => {
  await using app = await setup();
  const staying = await fill(app);
  const before = await readBooks(app);
  expect(before).toMatchObject({ days: OLD_DAYS, eventDays: OLD_DAYS, strays: STRAYS + 1, torn: 0 });
  await slowDown(app);
  for (const what of ['toRevoke', 'toDelete', 'indexes', 'days', 'strays', 'idempotencyKeys'] as const) {
    const start = await remaining(app, what);
    const child = spawnProcess(['janitor'], app.env);
    await waitFor(async () => (await remaining(app, what)) < start, { what: `there is less of ${what}` });
    expect(await child.kill('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    const { days, ...books } = await readBooks(app);
    expect(books).toMatchObject({ eventDays: days, kept: before.kept, torn: 0 });
  }

  const child = spawnProcess(['janitor'], app.env);
  expect(await child.exit).toEqual({ code: 0, signal: null });
  expect(await readBooks(app)).toEqual({
    days: 1,
    eventDays: 1,
    toRevoke: 0,
    toDelete: 0,
    kept: before.kept,
    strays: 1,
    idempotencyKeys: 0,
    torn: 0,
  });
  const rows = await app.database.task.findMany({ where: { ownerId: userId }, orderBy: { id: 'asc' } });
  expect(rows.map(({ id }) => id)).toEqual(staying.toSorted());
  expect(await query(app.databaseUrl, 'SELECT 1 FROM pg_index WHERE NOT indisvalid')).toEqual([]);
});
