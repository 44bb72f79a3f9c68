import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { SchemaContainer, SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { whileBusy } from './while-busy.ts';

type EngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');

/** Node has it; TypeScript knows it only together with the whole DOM. */
declare const WebAssembly: {
  compile(code: Uint8Array): Promise<object>;
  instantiate(module: object, imports: Record<string, object>): Promise<{ exports: { __wbindgen_start(): void } }>;
};

const ENGINE = Symbol.for('taskflow.schema-engine');
const shared = globalThis as { [ENGINE]?: Promise<EngineModule> };

/**
 * Loads Prisma's schema engine, once a process. The package's own entry imports the .wasm file as a module, which Node does
 * only with a warning; here it is instantiated by hand. The glue has one memory, which a second loading would take from the
 * first: Vitest has this module once for each project, and the glue once for all.
 */
const loadEngine = (): Promise<EngineModule> => {
  shared[ENGINE] ??= (async () => {
    const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
    const file = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
    const module = await WebAssembly.compile(readFileSync(file.replace(/\.js$/, '.wasm')));
    const { exports } = await WebAssembly.instantiate(module, { './schema_engine_bg.js': glue });
    glue.__wbg_set_wasm(exports);
    exports.__wbindgen_start();
    return glue;
  })();
  return shared[ENGINE];
};

export interface EngineOptions {
  databaseUrl: string;
  schema: SchemaContainer;
}

/**
 * Runs `use` with an engine that works on this database. Where it wants a database to try migrations out, it gets the same
 * one, which must be empty then.
 */
export const withSchemaEngine = async <T>(
  { databaseUrl, schema }: EngineOptions,
  use: (engine: SchemaEngine) => Promise<T>,
): Promise<T> => {
  const { SchemaEngine } = await loadEngine();
  // One connection only: the engine's advisory lock belongs to a session.
  const pool = new CatalogPool({ connectionString: databaseUrl, max: 1, options: SESSION });
  // Prisma's adapter lets a lost idle connection pass; the next query on it fails and says so.
  pool.on('error', () => {});
  try {
    const adapter = bindMigrationAwareSqlAdapterFactory(migrationAdapter(pool));
    const engine = await SchemaEngine.new({ datamodels: [[schema.path, schema.content]] }, () => {}, adapter);
    try {
      return await use(engine);
    } finally {
      engine.free();
    }
  } finally {
    await pool.end();
  }
};

/** A role may have a limit for its statements, where a pooler stands before PostgreSQL. */
const SESSION = '-c statement_timeout=0';
/** How long a script waits for a lock, each time that it is tried. A transaction of minutes, as that of a backup, is outwaited. */
const LOCK_TIMEOUT = '200ms';
const PATIENCE = { attempts: 1_000, pauseMs: { min: 200, max: 400 } };

/**
 * A script may take as long as it takes, but waits only so long for a lock, since whoever wants the table meanwhile waits behind
 * it. Then it is undone as a whole, and tried again. What is done concurrently holds nobody up, must stand alone in its
 * script, and waits for whoever is at work.
 */
const withLockTimeout = (script: string): string =>
  /\bCONCURRENTLY\b/i.test(script.replace(/--.*$/gm, ''))
    ? script
    : `SET LOCAL lock_timeout = '${LOCK_TIMEOUT}';\n${script}`;

const execute = async (adapter: SqlDriverAdapter, sql: string): Promise<void> => {
  await adapter.executeRaw({ sql, args: [], argTypes: [] });
};

const migrationAdapter = (pool: CatalogPool): SqlMigrationAwareDriverAdapterFactory => {
  const factory = new PrismaPg(pool);
  const connect = async (): Promise<SqlDriverAdapter> => {
    const adapter = await factory.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query);
      for (const column of pool.charColumns.get(result.rows) ?? [])
        result.columnTypes[column] = ColumnTypeEnum.Character;
      return result;
    };
    // The adapter splits scripts at every semicolon, which tears functions apart. PostgreSQL takes a script whole, and
    // then runs it in one transaction.
    adapter.executeScript = (script) => whileBusy(() => execute(adapter, withLockTimeout(script)), undefined, PATIENCE);
    return adapter;
  };
  return { provider: factory.provider, adapterName: factory.adapterName, connect, connectToShadowDb: connect };
};

const INTERNAL_CHAR = 18;
const TEXT = 25;

/**
 * Lets PostgreSQL's internal type "char" through, which the catalogue is full of and Prisma's adapter refuses: it is
 * presented as text, and `charColumns` tells which columns those were. Whoever hands the rows on marks them as characters,
 * which the engine expects.
 */
class CatalogPool extends pg.Pool {
  /** By the array of rows, which the adapter passes on as it is. */
  readonly charColumns = new WeakMap<unknown[][], number[]>();

  // biome-ignore lint/suspicious/noExplicitAny: the overloads of pg's own query() cannot be written down again
  override query(...args: any[]): any {
    const result = super.query(...(args as [pg.QueryArrayConfig]));
    return result instanceof Promise ? result.then((answer) => this.#noteCharColumns(answer)) : result;
  }

  #noteCharColumns<T extends pg.QueryArrayResult>(answer: T): T {
    if (!Array.isArray(answer.rows)) return answer;
    const columns = answer.fields.flatMap((field, index) => (field.dataTypeID === INTERNAL_CHAR ? [index] : []));
    for (const column of columns) Object.assign(answer.fields[column] ?? {}, { dataTypeID: TEXT });
    this.charColumns.set(answer.rows, columns);
    return answer;
  }
}
