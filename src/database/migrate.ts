import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MigrationList, SchemaContainer } from '@prisma/schema-engine-wasm';
import { connect } from './connect.ts';
import { withSchemaEngine } from './schema-engine.ts';
import { whileBusy } from './while-busy.ts';

const SCHEMA_FILE = fileURLToPath(new URL('../../prisma/schema.prisma', import.meta.url));

/** Taken by whoever migrates; any number will do, as long as nobody else takes it for something else. */
const MIGRATION_LOCK = 7_426_883_101;

/** Partitions made from yesterday on: janitors make further ones long before these are used up. */
const PARTITION_DAYS = 9;

/**
 * Applies the migrations of prisma/migrations that the database does not have yet, with Prisma's own engine: `prisma migrate
 * deploy` sees the same history. Then makes the partitions of the coming days. Processes that migrate at once wait for each
 * other.
 *
 * @returns the names of the migrations applied, in order; empty when there was nothing to do
 * @throws TaskFlowError UNAVAILABLE when PostgreSQL cannot be reached; what the engine says, when a migration fails
 */
export const applyMigrations = async (databaseUrl: string): Promise<string[]> => {
  const client = await connect(databaseUrl);
  try {
    await client.query('SET statement_timeout = 0');
    // Prisma's engine gives up after 10 s of waiting for its own lock, which a long migration can exceed.
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await withSchemaEngine({ databaseUrl, schema: readSchema(SCHEMA_FILE) }, (engine) =>
      engine.applyMigrations({ migrationsList: readMigrations(SCHEMA_FILE), filters: NO_FILTERS }),
    );
    await whileBusy(() =>
      client.query(`SELECT taskflow_ensure_partitions(now() - interval '1 day', $1)`, [PARTITION_DAYS]),
    );
    return applied.appliedMigrationNames;
  } finally {
    await client.end();
  }
};

/**
 * Compares what the migrations make with what schema.prisma says.
 *
 * @param emptyDatabaseUrl a database in which the migrations are tried out; it is full of tables afterwards
 * @param schemaFile Default: that of the repository. The migrations are in the folder `migrations` of the repository
 * @returns what would have to change in the database, in words; empty when they agree
 */
export const findDrift = async (emptyDatabaseUrl: string, schemaFile = SCHEMA_FILE): Promise<string> => {
  const schema = readSchema(schemaFile);
  const { exitCode, stdout } = await withSchemaEngine({ databaseUrl: emptyDatabaseUrl, schema }, (engine) =>
    engine.diff({
      from: { tag: 'migrations', ...readMigrations(SCHEMA_FILE) },
      to: { tag: 'schemaDatamodel', files: [schema] },
      script: false,
      exitCode: true,
      filters: NO_FILTERS,
    }),
  );
  return exitCode === 0 ? '' : (stdout ?? 'they differ').trim();
};

const NO_FILTERS = { externalTables: [], externalEnums: [] };

const readSchema = (file: string): SchemaContainer => ({ path: file, content: readFileSync(file, 'utf8') });

const readMigrations = (schemaFile: string): MigrationList => {
  const baseDir = join(dirname(schemaFile), 'migrations');
  const names = readdirSync(baseDir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return {
    baseDir,
    lockfile: { path: 'migration_lock.toml', content: readFileSync(join(baseDir, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(baseDir, name, 'migration.sql'), 'utf8') },
      },
    })),
  };
};
