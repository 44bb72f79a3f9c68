import { spawnSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/local/free-port.ts';
import { postgresUser } from '../../src/local/postgres-user.ts';
import { spawnCommand, type TestProcess } from './processes.ts';
import { FOLDER_PREFIX } from './sweep.ts';

export const hasPgBouncer = spawnSync('pgbouncer', ['--version']).status === 0;
if (!hasPgBouncer && process.env.CI) throw new Error('pgbouncer is missing; see .ci/run');

/** A PgBouncer in transaction mode before a PostgreSQL, as its documentation says how, and with few connections. */
export interface PgBouncer extends AsyncDisposable {
  /** The URL of a database of that PostgreSQL, through it. */
  through(databaseUrl: string): string;
  /** Ends it at once, with all its connections, and starts it again. */
  restart(): Promise<void>;
}

/** @param serverUrl of PostgreSQL and its superuser */
export const startPgBouncer = async (serverUrl: string, poolSize: number): Promise<PgBouncer> => {
  const { hostname, port: serverPort, username, password } = new URL(serverUrl);
  const port = await freePort();
  const folder = await mkdtemp(FOLDER_PREFIX);
  // It refuses to be run by root, and its user has to read this.
  await chmod(folder, 0o755);
  const { owner, start } = postgresUser([folder]);
  const file = (name: string): string => join(folder, name);
  await writeFile(file('users.txt'), `"${username}" "${password}"\n`);
  await writeFile(
    file('pgbouncer.ini'),
    `[databases]
* = host=${hostname} port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${file('users.txt')}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
`,
  );
  if (owner) for (const name of ['', 'users.txt', 'pgbouncer.ini']) chownSync(file(name), owner.uid, owner.gid);
  const [command, args, as] = start('pgbouncer', [file('pgbouncer.ini')]);
  const wrapped = as.uid === undefined ? ([command, args] as const) : asUser(as.uid, as.gid, command, args);
  const spawn = async (): Promise<TestProcess> => {
    const child = spawnCommand(wrapped[0], wrapped[1], {});
    await child.waitForOutput(/process up/);
    return child;
  };
  let running = await spawn();
  return {
    through: (databaseUrl) => {
      const url = new URL(databaseUrl);
      url.port = String(port);
      return url.href;
    },
    restart: async () => {
      await running.kill('SIGKILL');
      running = await spawn();
    },
    [Symbol.asyncDispose]: async () => {
      await running.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const asUser = (uid: number, gid = uid, command: string, args: string[]) =>
  ['setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', command, ...args]] as const;
