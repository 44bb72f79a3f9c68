import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createDatabase, dropDatabase } from '../support/setup.ts';

const FOLDER = new URL('../../prisma/migrations/', import.meta.url);
const names = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();
const sqlOf = (name: string): string => readFileSync(new URL(`${name}/migration.sql`, FOLDER), 'utf8');

/**
 * What keeps writers out for as long as a table is large, and was taken before this was watched. Nothing is to be added: an
 * index of a large table is made concurrently, by a migration of that one statement alone, and of a partitioned table one
 * partition after the other, as `taskflow payload-index` does it.
 */
const KNOWN_INDEXES = new Set([
  'idempotency_keys_created_at_idx',
  'queue_minutes_minute_idx',
  'tasks_owner_id_id_type_queue_idx',
  'tasks_tags_idx',
]);

interface Relation {
  oid: number;
  name: string;
  kind: string;
  filenode: string | null;
  /** The table of an index. */
  table: number | null;
}

/** What the release before reads and writes, and would miss. */
const BREAKING = /\bDROP\s+(?:COLUMN|TABLE|TYPE)\b|\bRENAME\b|\bALTER\s+COLUMN\b|\bSET\s+NOT\s+NULL\b/i;

describe('each migration', () => {
  const database = `test_${randomBytes(8).toString('hex')}`;
  let client: pg.Client;

  beforeAll(async () => {
    client = new pg.Client({ connectionString: await createDatabase(inject('postgresUrl'), database) });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await dropDatabase(inject('postgresUrl'), database);
  });

  const relations = async (): Promise<Map<number, Relation>> => {
    const { rows } = await client.query<Relation>(
      `SELECT c.oid, c.relname AS name, c.relkind AS kind, pg_relation_filenode(c.oid) AS filenode, i.indrelid AS table
       FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'i', 'I')`,
    );
    return new Map(rows.map((row) => [row.oid, row]));
  };

  test('says what it locks, and whether the release before can run beside it', () => {
    for (const name of names.slice(1)) {
      const [comment = ''] = /^(?:--.*\n)+/.exec(sqlOf(name)) ?? [];
      const text = comment.replace(/\n-- ?/g, ' ');
      expect({ name, says: /lock|exclusive|creates (?:only|functions)/i.test(text) }).toEqual({ name, says: true });
      const beside = /(?:release before|old processes) can run beside it/i.test(text);
      expect({ name, beside }).toEqual({ name, beside: true });
    }
  });

  test('leaves what the release before uses', () => {
    for (const name of names) {
      const code = sqlOf(name)
        .replace(/--.*$/gm, '')
        .replace(/\$\$[\s\S]*?\$\$/g, '');
      expect({ name, breaking: BREAKING.exec(code)?.[0] }).toEqual({ name, breaking: undefined });
    }
  });

  // One after the other on one database, as they are applied: what one makes, the next finds.
  test('rewrites no table, and builds no index of one that there is already', async () => {
    for (const name of names) {
      const before = await relations();
      await client.query(sqlOf(name));
      const after = await relations();
      const rewritten = [...before.values()].filter(
        ({ oid, kind, filenode }) => kind === 'r' && after.has(oid) && after.get(oid)?.filenode !== filenode,
      );
      expect({ name, rewritten: rewritten.map((table) => table.name) }).toEqual({ name, rewritten: [] });
      const built = [...after.values()].filter(
        ({ oid, table, name: index }) =>
          table !== null && !before.has(oid) && before.has(table) && !isOfPartition(index) && !KNOWN_INDEXES.has(index),
      );
      const locking = /\bCONCURRENTLY\b/i.test(sqlOf(name).replace(/--.*$/gm, '')) ? [] : built;
      expect({ name, built: locking.map((index) => index.name) }).toEqual({ name, built: [] });
    }
    expect(names.length).toBeGreaterThan(9);
  });
});

/** It comes with that of the whole table, which is judged. */
const isOfPartition = (index: string): boolean => index.startsWith('tasks_default_');
