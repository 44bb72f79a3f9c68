import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/database/connect.ts';
import { takeMaintenanceLock } from '../../src/database/maintenance-lock.ts';
import { createPayloadIndex, dropPayloadIndex } from '../../src/database/payload-index.ts';
import { query, setup, spawnProcess, type TestApp, waitFor } from '../support/setup.ts';

const open = async (): Promise<TestApp> => {
  const app = await setup();
  onTestFinished(() => app.close());
  return app;
};

/** Partitions with an index of their payloads, and whether the index of them all counts. */
const indexed = async ({ databaseUrl }: TestApp): Promise<{ partitions: number; isValid: boolean | undefined }> => {
  const [row] = await query<{ partitions: number; valid: boolean | null }>(
    databaseUrl,
    `SELECT (SELECT count(*)::int FROM pg_inherits WHERE inhparent = to_regclass('tasks_payload_idx')) AS partitions,
       (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('tasks_payload_idx')) AS valid`,
  );
  return { partitions: row?.partitions ?? 0, isValid: row?.valid ?? undefined };
};

// Those of nine days, and the default one.
const PARTITIONS = 10;

test('is made for all partitions and for later ones, once, and dropped', async () => {
  const app = await open();
  expect(await createPayloadIndex(app.databaseUrl)).toBe(PARTITIONS);
  expect(await indexed(app)).toEqual({ partitions: PARTITIONS, isValid: true });
  await query(app.databaseUrl, "SELECT taskflow_ensure_partitions(now() + interval '100 days', 2)");
  expect(await indexed(app)).toEqual({ partitions: PARTITIONS + 2, isValid: true });
  expect(await createPayloadIndex(app.databaseUrl)).toBe(0);
  await dropPayloadIndex(app.databaseUrl);
  await dropPayloadIndex(app.databaseUrl);
  expect(await indexed(app)).toEqual({ partitions: 0, isValid: undefined });
});

test('is completed where a run was killed in the middle', async () => {
  const app = await open();
  const half = [
    'CREATE INDEX tasks_payload_idx ON ONLY tasks USING gin (payload jsonb_path_ops)',
    'CREATE INDEX tasks_default_payload_idx ON tasks_default USING gin (payload jsonb_path_ops)',
  ];
  for (const sql of half) await query(app.databaseUrl, sql);
  expect(await indexed(app)).toEqual({ partitions: 0, isValid: false });
  expect(await createPayloadIndex(app.databaseUrl)).toBe(PARTITIONS);
  expect(await indexed(app)).toEqual({ partitions: PARTITIONS, isValid: true });
});

test('lets others write while it waits for a transaction that is open', async () => {
  const app = await open();
  const client = await connect(app.databaseUrl);
  await client.query('BEGIN');
  await client.query('LOCK TABLE tasks IN ROW EXCLUSIVE MODE');
  const creating = createPayloadIndex(app.databaseUrl);
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%'`;
  await waitFor(async () => (await query(app.databaseUrl, waiting)).length > 0, { what: 'it waits for its lock' });
  // Behind a lock that is waited for without end, it would wait as long.
  await query(app.databaseUrl, "SET statement_timeout = '5s'; UPDATE tasks SET progress = 1 WHERE false");
  await client.query('COMMIT');
  await client.end();
  expect(await creating).toBe(PARTITIONS);
});

test('is a command', async () => {
  const app = await open();
  const create = spawnProcess(['payload-index', 'create'], app.env);
  expect(await create.exit).toMatchObject({ code: 0 });
  expect(create.output()).toBe(`Indexed the payloads of ${PARTITIONS} partitions.\n`);
  const drop = spawnProcess(['payload-index', 'drop'], app.env);
  expect(await drop.exit).toMatchObject({ code: 0 });
  expect(drop.output()).toBe('Payloads have no index.\n');
  expect(await indexed(app)).toEqual({ partitions: 0, isValid: undefined });
});

test('waits for a janitor that makes an index itself', async () => {
  const app = await open();
  const janitor = await connect(app.databaseUrl, 'janitor');
  onTestFinished(() => janitor.end());
  expect(await takeMaintenanceLock(async (sql, values) => (await janitor.query(sql, values)).rows)).toBe(true);
  const creating = createPayloadIndex(app.databaseUrl);
  const asked = () =>
    query(
      app.databaseUrl,
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%advisory%' AND application_name = 'taskflow'`,
    );
  await waitFor(async () => (await asked()).length > 0, { what: 'it asks for the lock' });
  // It would wait for a statement that waits for this session, and that for it.
  await janitor.query('CREATE INDEX CONCURRENTLY of_janitor ON tasks_default (id) WHERE finished_at IS NULL');
  expect(await indexed(app)).toEqual({ partitions: 0, isValid: undefined });
  await janitor.query('SELECT pg_advisory_unlock_all()');
  expect(await creating).toBe(PARTITIONS);
});
