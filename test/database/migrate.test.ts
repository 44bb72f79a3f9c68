import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { connect } from '../../src/database/connect.ts';
import { applyMigrations, findDrift } from '../../src/database/migrate.ts';
import { freePort } from '../../src/local/free-port.ts';
import { createDatabase, dropDatabase, query, waitFor } from '../support/setup.ts';

const CORE = '20261124000000_core';

const emptyDatabase = async (): Promise<string> => {
  const name = `test_${randomBytes(8).toString('hex')}`;
  const url = await createDatabase(inject('postgresUrl'), name);
  onTestFinished(() => dropDatabase(inject('postgresUrl'), name));
  return url;
};

/** schema.prisma with something changed, as a file. */
const alteredSchema = async (change: (schema: string) => string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'taskflow-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const schema = readFileSync(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8');
  const altered = change(schema);
  expect(altered).not.toBe(schema);
  const file = join(folder, 'schema.prisma');
  await writeFile(file, altered);
  return file;
};

const dailyPartitions = `
  SELECT inhrelid::regclass::text AS name FROM pg_inherits
  WHERE inhparent = 'tasks'::regclass AND inhrelid <> 'tasks_default'::regclass ORDER BY 1`;

describe('applying migrations', () => {
  test('makes an empty database ready, with partitions from yesterday on', async () => {
    const url = await emptyDatabase();
    const [today] = await query<{ day: string }>(
      url,
      `SELECT to_char(now() AT TIME ZONE 'UTC', '"tasks_"YYYYMMDD') AS day`,
    );

    const applied = await applyMigrations(url);

    expect(applied[0]).toBe(CORE);
    const partitions = (await query<{ name: string }>(url, dailyPartitions)).map(({ name }) => name);
    expect(partitions).toHaveLength(9);
    expect(partitions).toContain(today?.day);
  });

  test('keeps the history that prisma migrate keeps', async () => {
    const url = await emptyDatabase();
    await applyMigrations(url);
    const history = await query(
      url,
      'SELECT migration_name, applied_steps_count, finished_at IS NOT NULL AS finished, rolled_back_at FROM _prisma_migrations',
    );
    expect(history[0]).toEqual({ migration_name: CORE, applied_steps_count: 1, finished: true, rolled_back_at: null });
  });

  test('does nothing the second time', async () => {
    const url = await emptyDatabase();
    await applyMigrations(url);
    expect(await applyMigrations(url)).toEqual([]);
    expect(await query(url, dailyPartitions)).toHaveLength(9);
  });

  test('lets one of two processes do it when both start at once', async () => {
    const url = await emptyDatabase();
    const both = await Promise.all([applyMigrations(url), applyMigrations(url)]);
    const [first, second] = both.sort((a, b) => b.length - a.length);
    expect(first?.[0]).toBe(CORE);
    expect(second).toEqual([]);
  });

  test('says in one line that there is no PostgreSQL', async () => {
    const url = `postgresql://nobody@127.0.0.1:${await freePort()}/nothing`;
    await expect(applyMigrations(url)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^PostgreSQL cannot be reached: .*ECONNREFUSED.*$/),
    });
  });
});

describe('the drift check', () => {
  test('finds that the migrations make what schema.prisma says', async () => {
    expect(await findDrift(await emptyDatabase())).toBe('');
  });

  test('names a column that no migration makes', async () => {
    const schema = await alteredSchema((text) =>
      text.replace('tags        String[]', 'tags        String[]\n  colour      String?'),
    );
    expect(await findDrift(await emptyDatabase(), schema)).toMatch(/`tasks`[\s\S]*Added column `colour`/);
  });

  test('names a table and an index that the schema lacks', async () => {
    const schema = await alteredSchema((text) =>
      text.replace(/model IdempotencyKey \{[^}]*\}/, '').replace('@@index([ownerId, id, type, queue])', ''),
    );
    const drift = await findDrift(await emptyDatabase(), schema);
    expect(drift).toContain('idempotency_keys');
    expect(drift).toMatch(/Removed index on columns \(owner_id, id, type, queue\)/);
  });

  test('notices another type of a column and another value of an enum', async () => {
    const schema = await alteredSchema((text) =>
      text.replace('seq         Int', 'seq         BigInt').replace('  CANCELLED\n', '  CANCELED\n'),
    );
    const drift = await findDrift(await emptyDatabase(), schema);
    expect(drift).toContain('`seq`');
    expect(drift).toContain('CANCELED');
  });
});

describe('making partitions', () => {
  test('puts a row into the partition of the day that its id was made on', async () => {
    const url = await emptyDatabase();
    await applyMigrations(url);
    const [row] = await query<{ partition: string; expected: string }>(
      url,
      `INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt)
       VALUES (taskflow_first_id(now()), 1, gen_random_uuid(), 1, 'QUEUED', now(), 0)
       RETURNING tableoid::regclass::text AS partition, to_char(now() AT TIME ZONE 'UTC', '"task_events_"YYYYMMDD') AS expected`,
    );
    expect(row?.partition).toBe(row?.expected);
  });

  test('leaves a day to the default partition whose tasks lie there already', async () => {
    const url = await emptyDatabase();
    await applyMigrations(url);
    const farDay = '2031-05-06 12:00:00+00';
    await query(
      url,
      `INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts)
       VALUES (taskflow_first_id($1), gen_random_uuid(), 'a', 'b', '{}', 'LOW', 'QUEUED', 1, 1)`,
      [farDay],
    );
    const [made] = await query<{ days: number }>(url, 'SELECT taskflow_ensure_partitions($1, 3) AS days', [farDay]);
    expect(made?.days).toBe(2);
  });
});

describe('applying a migration while everybody works', () => {
  const LAST = '20261124034000_trace_context';

  /** A database that misses one migration, which alters the table of tasks. */
  const behind = async (): Promise<string> => {
    const url = await emptyDatabase();
    await applyMigrations(url);
    await query(url, 'ALTER TABLE tasks DROP COLUMN traceparent');
    await query(url, 'DELETE FROM _prisma_migrations WHERE migration_name = $1', [LAST]);
    return url;
  };

  test('waits for a long transaction without making others wait, and then succeeds', async () => {
    const url = await behind();
    const reader = await connect(url);
    onTestFinished(() => reader.end());
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM tasks');

    let isApplied = false;
    const applying = applyMigrations(url).then((applied) => {
      isApplied = true;
      return applied;
    });
    const other = await connect(url);
    onTestFinished(() => other.end());
    await waitFor(async () => {
      const waiting = await other.query('SELECT 1 FROM pg_locks WHERE NOT granted AND relation IS NOT NULL');
      return (waiting.rowCount ?? 0) > 0;
    });
    // It stands in the way of this one now, and goes out of it by itself.
    await other.query('SET statement_timeout = 5000');
    await other.query('SELECT count(*) FROM tasks');
    expect(isApplied).toBe(false);
    await reader.query('COMMIT');
    expect(await applying).toEqual([LAST]);
  });

  test('has the time that it needs, whatever limit the role has', async () => {
    const url = await behind();
    const name = new URL(url).pathname.slice(1);
    await query(url, `ALTER DATABASE ${name} SET statement_timeout = '1ms'`);
    expect(await applyMigrations(url)).toEqual([LAST]);
  });
});
