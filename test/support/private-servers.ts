import { mkdtemp, rm } from 'node:fs/promises';
import { startPostgres } from '../../src/local/postgres.ts';
import { startRedis } from '../../src/local/redis.ts';
import type { LocalServer } from '../../src/local/server-process.ts';
import { FAST_POSTGRES } from './fast-settings.ts';
import { FOLDER_PREFIX } from './sweep.ts';
import { initialiseSystemPostgres, systemBinaries } from './system-postgres.ts';

/** A database server of one test, to be killed, paused and started again. */
export interface PrivateServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Of the server that runs now. */
  readonly pid: number;
  /** Ends it without warning, as a crash does, and waits for its end. */
  kill(): Promise<void>;
  /** Shuts it down in order. */
  stop(): Promise<void>;
  /** Starts it again, on the same port and with the same data, after `kill` or `stop`. */
  start(): Promise<void>;
  /** It keeps its connections but answers nothing until `resume`. Of PostgreSQL, only new connections wait. */
  pause(): void;
  resume(): void;
}

const open = new Set<PrivateServer>();

/** Ends what tests of this file have not disposed of; called after each file. */
export const endPrivateServers = async (): Promise<void> => {
  await Promise.all([...open].map((server) => server[Symbol.asyncDispose]()));
};

type Start = (folder: string, port: number | undefined) => Promise<LocalServer>;

const startPrivate = async (start: Start, from?: string): Promise<PrivateServer> => {
  const folder = from ?? (await mkdtemp(FOLDER_PREFIX));
  let server = await start(folder, undefined);
  const { url, port } = server;
  const handle: PrivateServer = {
    url,
    port,
    get pid() {
      return server.pid;
    },
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    stop: () => server.stop(),
    start: async () => {
      server = await start(folder, port);
    },
    pause: () => void process.kill(server.pid, 'SIGSTOP'),
    resume: () => void process.kill(server.pid, 'SIGCONT'),
    [Symbol.asyncDispose]: async () => {
      open.delete(handle);
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  open.add(handle);
  return handle;
};

/** A Redis of the test's own, with its data on disk as in production. */
export const startPrivateRedis = (settings: Record<string, string> = {}): Promise<PrivateServer> =>
  startPrivate((folder, port) => startRedis({ folder, port, settings }));

/** As `startPrivatePostgres`, of the data in a folder, which goes with it. */
export const startPostgresOf = (folder: string): Promise<PrivateServer> =>
  startPrivate((data, port) => startPostgres({ folder: data, port, settings: FAST_POSTGRES }), folder);

/** As `startPrivatePostgres`, the system's PostgreSQL instead of npm's. */
export const startSystemPostgres = (): Promise<PrivateServer> =>
  startPrivate(async (folder, port) => {
    await initialiseSystemPostgres(folder);
    return startPostgres({ folder, port, settings: FAST_POSTGRES, binaries: systemBinaries });
  });

/** A PostgreSQL of the test's own, without any of our tables: `setup({ postgres })` makes a database in it. */
export const startPrivatePostgres = (settings: Record<string, string> = {}): Promise<PrivateServer> =>
  startPrivate((folder, port) => startPostgres({ folder, port, settings: { ...FAST_POSTGRES, ...settings } }));
