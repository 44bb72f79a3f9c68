import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { TaskFlowError } from '../errors.ts';

/** As whom PostgreSQL runs. */
export interface PostgresUser {
  /** To whom its files belong; undefined: to the user of this process. */
  owner?: { uid: number; gid: number };
  /** The command, arguments and options with which to start a program as this user. */
  start(command: string, args: string[]): [command: string, args: string[], options: { uid?: number; gid?: number }];
}

const USER = 'postgres';
const OTHERS_MAY_ENTER = 0o001;

/**
 * As whom to run PostgreSQL, which refuses to be run by root: then by the system's user `postgres`, who is made where there
 * is none.
 *
 * That user cannot even enter folders that are closed to others, like /root or one of `mktemp -d`. When one of `folders`
 * lies in such a place, the server also gets root's right to pass by file permissions (CAP_DAC_OVERRIDE), and nothing else
 * of root's; opening the folders to everybody instead would be the greater change to somebody's machine.
 *
 * @param folders what it must be able to reach
 */
export const postgresUser = (folders: string[]): PostgresUser => {
  if (process.getuid?.() !== 0) return { start: (command, args) => [command, args, {}] };
  const owner = { uid: idOf('-u') ?? makeUser('-u'), gid: idOf('-g') ?? makeUser('-g') };
  const closed = folders.map(closedAncestor).find((folder) => folder !== undefined);
  if (closed === undefined) return { owner, start: (command, args) => [command, args, owner] };
  if (!hasSetpriv()) {
    throw new TaskFlowError(
      'UNAVAILABLE',
      `PostgreSQL cannot run as root, and user ${USER} may not enter ${closed}; start TaskFlow as another user or from another folder`,
    );
  }
  const prefix = [
    `--reuid=${owner.uid}`,
    `--regid=${owner.gid}`,
    '--clear-groups',
    // Without it access(2), by which initdb looks for the server, would not count the right.
    '--securebits=+no_setuid_fixup',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  return { owner, start: (command, args) => ['setpriv', [...prefix, command, ...args], {}] };
};

/** The first folder on the way to `path` that others than its owner may not enter. */
const closedAncestor = (path: string): string | undefined => {
  const parent = dirname(path);
  const above = parent === path ? undefined : closedAncestor(parent);
  return above ?? (statSync(path).mode & OTHERS_MAY_ENTER ? undefined : path);
};

const idOf = (flag: '-u' | '-g'): number | undefined => {
  try {
    return Number(execFileSync('id', [flag, USER], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return undefined;
  }
};

const makeUser = (flag: '-u' | '-g'): number => {
  try {
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', USER], {
      stdio: 'ignore',
    });
  } catch {
    // Another process may have made the user in the meantime; what counts is whether there is one.
  }
  const id = idOf(flag);
  if (id === undefined) {
    throw new TaskFlowError(
      'UNAVAILABLE',
      `PostgreSQL cannot run as root, and no user ${USER} could be made; start TaskFlow as another user`,
    );
  }
  return id;
};

const hasSetpriv = (): boolean => {
  try {
    execFileSync('setpriv', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
};
