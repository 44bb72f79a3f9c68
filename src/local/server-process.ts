import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TaskFlowError } from '../errors.ts';
import { PortInUseError } from './free-port.ts';
import { endProcess, identify, isRunning, type ProcessIdentity, signal } from './process-identity.ts';

/** A database server that this process started. */
export interface LocalServer {
  readonly url: string;
  readonly port: number;
  /** Of the server itself, so that tests can kill or pause it. */
  readonly pid: number;
  /** Settles when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Shuts the server down in order and waits for its end. May be called again. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** "PostgreSQL", for messages. */
  name: string;
  /** Holds `server.json` and the log. */
  folder: string;
  command: string;
  args: string[];
  /** Whom it runs as. Default: as this process. */
  as?: { uid?: number; gid?: number };
  /** The signal on which it shuts down in order. */
  gentle: NodeJS.Signals;
}

/** What `server.json` says: the server, and the process that started it and answers for it. */
interface ServerRecord {
  server: ProcessIdentity;
  owner: ProcessIdentity;
}

const recordFile = (folder: string): string => join(folder, 'server.json');
const logFile = (folder: string): string => join(folder, 'server.log');

const readRecord = (folder: string): ServerRecord | undefined => {
  try {
    return JSON.parse(readFileSync(recordFile(folder), 'utf8')) as ServerRecord;
  } catch {
    return undefined;
  }
};

const self = (): ProcessIdentity => {
  const identity = identify(process.pid);
  if (!identity) throw new Error('this system does not tell when a process was started');
  return identity;
};

/**
 * Ends the server that a process which is gone has left in this folder. It is a process of its own, and so runs on when
 * its owner is killed.
 *
 * @returns whether the folder is free now: false when its owner still runs
 */
const endLeftover = async (folder: string, record: ServerRecord, gentle: NodeJS.Signals): Promise<boolean> => {
  if (isRunning(record.owner) && isRunning(record.server)) return false;
  await endProcess(record.server, gentle);
  rmSync(recordFile(folder), { force: true });
  return true;
};

/**
 * Makes sure that no other server uses the folder. A leftover is shut down, so that the new server starts with the settings
 * of today.
 *
 * @throws TaskFlowError CONFLICT when its owner still runs
 */
export const takeFolder = async ({
  name,
  folder,
  gentle,
}: Pick<ServerOptions, 'name' | 'folder' | 'gentle'>): Promise<void> => {
  mkdirSync(folder, { recursive: true });
  const record = readRecord(folder);
  if (!record || (await endLeftover(folder, record, gentle))) return;
  throw new TaskFlowError(
    'CONFLICT',
    `${name} in ${folder} already runs for process ${record.owner.pid}; stop that first, or choose another folder`,
  );
};

/**
 * Ends the server of a folder whose owner is gone, without starting another.
 *
 * @returns whether the folder held one: it can be removed then
 */
export const endAbandoned = async (folder: string, gentle: NodeJS.Signals): Promise<boolean> => {
  const record = readRecord(folder);
  return record !== undefined && !isRunning(record.owner) && endLeftover(folder, record, gentle);
};

interface ServerProcess {
  readonly name: string;
  readonly folder: string;
  readonly identity: ProcessIdentity;
  readonly exited: Promise<void>;
  hasExited(): boolean;
  /** What the server has logged since it was started. */
  log(): string;
  stop(): Promise<void>;
}

/** Servers to end when this process ends without stopping them, as after an exception that nobody caught. */
const running = new Map<ProcessIdentity, NodeJS.Signals>();
process.on('exit', () => {
  for (const [identity, gentle] of running) signal(identity, gentle);
});

/**
 * Starts a server in a session of its own: the terminal's Ctrl-C goes to the process that owns the server, which stops it
 * in order. It logs to a file, so that it lives on in good health when its owner is killed, until `takeFolder` finds it.
 */
export const startServerProcess = async (options: ServerOptions): Promise<ServerProcess> => {
  const { folder, gentle } = options;
  // One older log is kept: it may say why the server ended.
  if (existsSync(logFile(folder))) renameSync(logFile(folder), `${logFile(folder)}.old`);
  const output = openSync(logFile(folder), 'w');
  const child = spawn(options.command, options.args, {
    cwd: folder,
    detached: true,
    stdio: ['ignore', output, output],
    ...options.as,
  });
  closeSync(output);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const identity = await identityOfChild(child, options.name);
  running.set(identity, gentle);
  void exited.then(() => running.delete(identity));
  child.unref();
  const record: ServerRecord = { server: identity, owner: self() };
  writeFileSync(recordFile(folder), JSON.stringify(record));
  return {
    name: options.name,
    folder,
    identity,
    exited,
    hasExited: () => child.exitCode !== null || child.signalCode !== null,
    log: () => readFileSync(logFile(folder), 'utf8'),
    stop: async () => {
      await endProcess(identity, gentle);
      if (readRecord(folder)?.server.startedAt === identity.startedAt) rmSync(recordFile(folder), { force: true });
    },
  };
};

const identityOfChild = async (child: ChildProcess, name: string): Promise<ProcessIdentity> => {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(new TaskFlowError('UNAVAILABLE', `${name} cannot be started: ${error.message}`)),
    );
  });
  // A child that ended at once is no longer to be identified; nothing else can have its pid before it is waited for.
  return (child.pid === undefined ? undefined : identify(child.pid)) ?? { pid: child.pid ?? 0, startedAt: 'ended' };
};

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 5;

/**
 * Waits until the server has logged `text`, at most a minute: reading back much data takes its time.
 *
 * @throws PortInUseError, or TaskFlowError UNAVAILABLE with the last line of the log
 */
export const waitForLog = async (server: ServerProcess, text: string, port: number): Promise<void> => {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!server.log().includes(text)) {
    const hasExited = server.hasExited();
    if (hasExited || performance.now() > deadline) {
      await server.stop();
      if (server.log().includes('Address already in use')) throw new PortInUseError(server.name, port);
      const reason = hasExited ? lastLine(server.log()) : `not ready after ${READY_TIMEOUT_MS / 1_000} s`;
      throw new TaskFlowError('UNAVAILABLE', `${server.name} did not start: ${reason} (see ${logFile(server.folder)})`);
    }
    await sleep(POLL_MS);
  }
};

/** The last line of an output that has something to say, for the message of a start that failed. */
export const lastLine = (output: string): string => output.trim().split('\n').at(-1)?.trim() ?? '';
