import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { TaskFlowError } from '../errors.ts';
import { onPort } from './free-port.ts';
import { type LocalServer, lastLine, startServerProcess, takeFolder, waitForLog } from './server-process.ts';

export interface RedisOptions {
  /** Where its data and log are kept. Made when it is not there; relative to the working folder. */
  folder: string;
  /** On 127.0.0.1. Default: a free one. */
  port?: number | undefined;
  /** More settings as in redis.conf, which win over ours: `{ 'appendonly': 'no' }`. */
  settings?: Record<string, string>;
  /** Told in one line before something is installed. Default: nothing is said. */
  onInstall?: (line: string) => void;
}

/** Redis Functions came with 7.0. */
const MIN_MAJOR = 7;
const CANDIDATES = ['valkey-server', 'redis-server'];

/**
 * Starts a Redis (or Valkey) on 127.0.0.1 whose data is synced to disk every second and found again by the next start. One
 * that an earlier, killed process left behind is shut down first. Where there is none on the PATH it is installed, if this
 * is root on a system with apt-get.
 *
 * @throws TaskFlowError of one line: CONFLICT when the port or the folder is in use, UNAVAILABLE when there is no Redis of
 * version 7 or it does not start
 */
export const startRedis = async (options: RedisOptions): Promise<LocalServer> => {
  const folder = resolve(options.folder);
  const command = findRedis(options.onInstall ?? (() => {}));
  await takeFolder({ name: 'Redis', folder, gentle: 'SIGTERM' });
  return onPort(options.port, async (port) => {
    const args = Object.entries({ ...settingsFor(folder, port), ...options.settings });
    const server = await startServerProcess({
      name: 'Redis',
      folder,
      command,
      args: args.flatMap(([name, value]) => [`--${name}`, value]),
      gentle: 'SIGTERM',
    });
    await waitForLog(server, 'Ready to accept connections', port);
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      pid: server.identity.pid,
      exited: server.exited,
      stop: server.stop,
    };
  });
};

const settingsFor = (folder: string, port: number): Record<string, string> => ({
  port: String(port),
  bind: '127.0.0.1',
  dir: folder,
  appendonly: 'yes',
  appendfsync: 'everysec',
  // The append-only file holds everything; snapshots beside it would only double the writes.
  save: '',
  daemonize: 'no',
});

/** @returns the name of the command; it is on the PATH */
const findRedis = (onInstall: (line: string) => void): string => {
  const found = CANDIDATES.find((command) => majorVersion(command) !== undefined);
  const command = found ?? installRedis(onInstall);
  const major = majorVersion(command);
  if (major === undefined || major < MIN_MAJOR) {
    throw new TaskFlowError(
      'UNAVAILABLE',
      `${command} is of version ${major ?? 'unknown'}, but Redis ${MIN_MAJOR}.0 or newer, or Valkey, is needed`,
    );
  }
  return command;
};

const majorVersion = (command: string): number | undefined => {
  const { stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  const version = /v=(\d+)\./.exec(stdout ?? '');
  return version ? Number(version[1]) : undefined;
};

const installRedis = (onInstall: (line: string) => void): string => {
  const advice =
    'install it (on Debian or Ubuntu: apt-get install redis-server; on macOS: brew install redis) and start again';
  const hasApt = spawnSync('apt-get', ['--version']).status === 0;
  if (!hasApt || process.getuid?.() !== 0) {
    throw new TaskFlowError('UNAVAILABLE', `Neither valkey-server nor redis-server was found; ${advice}`);
  }
  onInstall('Redis is missing: installing redis-server with apt-get');
  // RUNLEVEL=1 keeps the package from starting a service of its own on port 6379.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    const { status, stderr } = spawnSync('apt-get', ['-qq', ...args], { env, encoding: 'utf8' });
    if (status !== 0) {
      throw new TaskFlowError(
        'UNAVAILABLE',
        `apt-get ${args[0]} failed: ${lastLine(stderr)}; Redis is needed: ${advice}`,
      );
    }
  }
  return 'redis-server';
};
