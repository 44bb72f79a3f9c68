import type pg from 'pg';
import { directUrl, loadConfig } from '../config.ts';
import { connect } from './connect.ts';
import { takeMaintenanceLock } from './maintenance-lock.ts';
import { whileBusy } from './while-busy.ts';

/** The index of payloads, and with "tasks_20261124" instead of "tasks", of one partition. docs/decisions/search.md has its price. */
const INDEX = 'tasks_payload_idx';
const DEFINITION = 'USING gin (payload jsonb_path_ops)';

/**
 * Makes the index, or what is missing of it, while everything else goes on: one partition after the other, which takes about 5
 * seconds per million tasks. Later partitions come with it.
 *
 * @returns how many partitions got theirs
 * @throws TaskFlowError UNAVAILABLE when PostgreSQL cannot be reached; SQLSTATE 55P03 when a lock was never free
 */
export const createPayloadIndex = (databaseUrl: string): Promise<number> =>
  withLock(databaseUrl, async (client) => {
    // Of the whole only, not of the partitions: it is not used until each has its own.
    await lockBriefly(client, `CREATE INDEX IF NOT EXISTS ${INDEX} ON ONLY tasks ${DEFINITION}`);
    const partitions = await findUnindexed(client);
    for (const partition of partitions) {
      const index = `${partition}_payload_idx`;
      // What a run that was killed has left behind may be half of an index.
      await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${index}`);
      await client.query(`CREATE INDEX CONCURRENTLY ${index} ON ${partition} ${DEFINITION}`);
      await lockBriefly(client, `ALTER INDEX ${INDEX} ATTACH PARTITION ${index}`);
    }
    return partitions.length;
  });

/**
 * Drops the index. Searches go on, along the index of the owner.
 *
 * @throws as `createPayloadIndex`
 */
export const dropPayloadIndex = async (databaseUrl: string): Promise<void> => {
  await withLock(databaseUrl, (client) => lockBriefly(client, `DROP INDEX IF EXISTS ${INDEX}`));
};

const findUnindexed = async (client: pg.Client): Promise<string[]> => {
  const { rows } = await client.query<{ name: string }>(
    `SELECT p.inhrelid::regclass::text AS name FROM pg_inherits p
     WHERE p.inhparent = 'tasks'::regclass AND NOT EXISTS (
       SELECT 1 FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
       WHERE i.inhparent = to_regclass($1) AND x.indrelid = p.inhrelid)
     ORDER BY name`,
    [INDEX],
  );
  return rows.map(({ name }) => name);
};

/**
 * Runs a statement that locks writers out for a moment. It waits 50 ms for its lock, again and again: all others wait behind it.
 * What is done concurrently, on the other hand, locks nobody out, and has to wait for whoever is at work.
 */
const lockBriefly = async (client: pg.Client, sql: string): Promise<void> => {
  await client.query("SET lock_timeout = '50ms'");
  await whileBusy(() => client.query(sql));
  await client.query('SET lock_timeout = 0');
};

const withLock = async <T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = await connect(databaseUrl);
  try {
    // The role's may be short, where a pooler stands before PostgreSQL.
    await client.query('SET statement_timeout = 0');
    await takeMaintenanceLock(async (sql, values) => (await client.query<{ taken: boolean }>(sql, values)).rows);
    return await work(client);
  } finally {
    await client.end();
  }
};

/** `taskflow payload-index create` */
export const runCreatePayloadIndex = async (): Promise<void> => {
  const made = await createPayloadIndex(directUrl(loadConfig(['database'])));
  process.stdout.write(made > 0 ? `Indexed the payloads of ${made} partitions.\n` : 'The index is complete.\n');
};

/** `taskflow payload-index drop` */
export const runDropPayloadIndex = async (): Promise<void> => {
  await dropPayloadIndex(directUrl(loadConfig(['database'])));
  process.stdout.write('Payloads have no index.\n');
};
