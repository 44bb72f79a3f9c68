import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, globSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresBinaries } from '../../src/local/postgres-binaries.ts';
import { postgresUser } from '../../src/local/postgres-user.ts';

/** Debian's, newest last. The npm package has no pg_dump, and one of an older release refuses a newer server. */
const postgres = globSync('/usr/lib/postgresql/*/bin/postgres').sort().at(-1);
export const hasSystemPostgres = postgres !== undefined && spawnSync(postgres, ['--version']).status === 0;
if (!hasSystemPostgres && process.env.CI) throw new Error('postgresql is missing; see .ci/run');

const bin = dirname(postgres ?? '/');
const program = (name: string): string => join(bin, name);

/** The system's PostgreSQL. */
export const systemBinaries: PostgresBinaries = {
  folder: dirname(bin),
  postgres: program('postgres'),
  initdb: program('initdb'),
};

/** Makes its data in a folder, where there is none yet, for `startPostgres` to find. */
export const initialiseSystemPostgres = async (folder: string): Promise<void> => {
  const data = join(folder, 'data');
  if (existsSync(data)) return;
  const password = join(folder, 'password');
  writeFileSync(password, randomBytes(16).toString('hex'), { mode: 0o600 });
  mkdirSync(data, { mode: 0o700 });
  const { owner, start } = postgresUser([folder]);
  if (owner) for (const path of [data, password]) chownSync(path, owner.uid, owner.gid);
  const [command, args, as] = start(systemBinaries.initdb, [
    ...[`--pgdata=${data}`, '--username=postgres', `--pwfile=${password}`, '--auth=scram-sha-256'],
    ...['--locale=C', '--encoding=UTF8', '--no-sync'],
  ]);
  await promisify(execFile)(command, args, { cwd: folder, ...as });
};

/** Writes what a database holds to a file, as operators do. */
export const dump = async (databaseUrl: string, file: string): Promise<void> => {
  await promisify(execFile)(program('pg_dump'), ['--format=custom', `--file=${file}`, databaseUrl]);
};

/** Puts such a file into an empty database. */
export const restoreDump = async (databaseUrl: string, file: string): Promise<void> => {
  await promisify(execFile)(program('pg_restore'), ['--exit-on-error', `--dbname=${databaseUrl}`, file]);
};
