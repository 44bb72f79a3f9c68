import { readdirSync } from 'node:fs';
import { type Database, sqlState } from './client.ts';

const FOLDER = new URL('../../prisma/migrations/', import.meta.url);
const UNDEFINED_TABLE = '42P01';

/** Migrations of this release, in order. */
const names = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

/** @returns the migrations of this release that the database does not have; those of newer releases are no matter */
export const findMissingMigrations = async (database: Database): Promise<string[]> => {
  try {
    const rows = await database.$queryRaw<{ name: string }[]>`
      SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`;
    const applied = new Set(rows.map(({ name }) => name));
    return names.filter((name) => !applied.has(name));
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return names;
    throw error;
  }
};
