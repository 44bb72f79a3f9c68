import { type ChildProcess, execFile, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TaskFlowError } from '../errors.ts';
import { isPortFree, PortInUseError } from './free-port.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import type { LocalServer } from './server-process.ts';

/** .ts here, .js in what is built. */
const CLI = fileURLToPath(new URL(`../cli${extname(import.meta.url)}`, import.meta.url));
/**
 * In this order they are stopped: the manager records what the worker reports last. They serve their metrics on ports that
 * follow each other, the api on the first.
 */
const PROCESSES = [
  { command: ['worker'], metricsOffset: 2 },
  { command: ['api'], metricsOffset: 0 },
  { command: ['manager'], metricsOffset: 1 },
  { command: ['janitor', '--every', '1h'], metricsOffset: 3 },
] as const;
const READY_TIMEOUT_MS = 60_000;
const RESTART_MS = 1_000;

/** Nobody but this machine's users get in here, and they shall see how fast it is. The environment and .env have the last word. */
const LOCAL_DEFAULTS = {
  GRAPHIQL: 'true',
  INTROSPECTION: 'true',
  RATE_LIMIT_PER_HOUR: '0',
  USER_RATE_LIMIT_PER_HOUR: '0',
  USER_SOCKET_READS_PER_HOUR: '0',
  MAX_REQUEST_BYTES: '33554432',
};

export interface StackOptions {
  /** Holds everything that is kept between starts, and the logs. */
  home: string;
  /** Of the api. */
  port: number;
  /** The folder that tasks may read files from. */
  filesDir: string;
  /** Of the api's metrics; the manager, the worker and the janitor take the next ones. Default: none are served. */
  metricsPort?: number | undefined;
  /** Told in one line what happens. */
  say: (line: string) => void;
}

export interface Stack {
  /** "http://localhost:4000" */
  readonly url: string;
  /** Settles when a database server ended by itself; then the stack is of no use any more. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL, Redis, and each TaskFlow process as its own process, as on many machines.
 *
 * @throws TaskFlowError of one line; then nothing is left running
 */
export const startStack = async (options: StackOptions): Promise<Stack> => {
  const { home, port, say } = options;
  if (!(await isPortFree(port))) throw new PortInUseError('the api', port);
  mkdirSync(join(home, 'logs'), { recursive: true });
  const servers: LocalServer[] = [];
  const children: SupervisedProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children) await child.stop();
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    say('Starting PostgreSQL and Redis …');
    const started = await Promise.allSettled([
      startPostgres({ folder: join(home, 'postgres') }),
      startRedis({ folder: join(home, 'redis'), onInstall: say }),
    ]);
    for (const each of started) if (each.status === 'fulfilled') servers.push(each.value);
    const refused = started.find((each) => each.status === 'rejected');
    if (refused) throw refused.reason;
    const [postgres, redis] = servers as [LocalServer, LocalServer];
    const env = settingsFor(options, postgres, redis);
    await migrate(env);
    say('Starting api, manager, worker and janitor …');
    for (const { command, metricsOffset } of PROCESSES) {
      const childEnv = { ...env, ...metricsSetting(options, metricsOffset) };
      children.push(new SupervisedProcess(command, childEnv, join(home, 'logs', `${command[0]}.log`), say));
    }
    const url = `http://localhost:${port}`;
    await untilReady(url, children);
    const failed = Promise.race([
      postgres.exited.then(() => 'PostgreSQL ended'),
      redis.exited.then(() => 'Redis ended'),
    ]);
    return { url, failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

const settingsFor = (
  { home, port, filesDir }: StackOptions,
  postgres: LocalServer,
  redis: LocalServer,
): NodeJS.ProcessEnv => ({
  ...LOCAL_DEFAULTS,
  ...process.env,
  DATABASE_URL: postgres.url,
  REDIS_HOST_HIGH: '127.0.0.1',
  REDIS_PORT_HIGH: String(redis.port),
  REDIS_HOST_LOW: '127.0.0.1',
  REDIS_PORT_LOW: String(redis.port),
  SECRET_KEY: keptSecret(join(home, 'secret-key')),
  // A local stack is for this machine only.
  HOST: '127.0.0.1',
  PORT: String(port),
  FILES_DIR: filesDir,
});

/** 0 means a free port, for each of them. */
const metricsSetting = ({ metricsPort }: StackOptions, offset: number): NodeJS.ProcessEnv =>
  metricsPort ? { METRICS_PORT: String(metricsPort + offset) } : {};

const migrate = async (env: NodeJS.ProcessEnv): Promise<void> => {
  try {
    await promisify(execFile)(process.execPath, [CLI, 'migrate'], { env });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new TaskFlowError(
      'UNAVAILABLE',
      `The migrations could not be applied: ${stderr?.trim().split('\n')[0] || error}`,
    );
  }
};

/** The key that signs tokens is made at the first start, so that logins outlive a restart. */
const keptSecret = (file: string): string => {
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
};

const untilReady = async (url: string, children: readonly SupervisedProcess[]): Promise<void> => {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const isReady = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) return;
    const ended = children.find(({ failure }) => failure !== undefined);
    if (ended) throw new TaskFlowError('UNAVAILABLE', `The ${ended.name} did not start: ${ended.failure}`);
    if (performance.now() > deadline)
      throw new TaskFlowError(
        'UNAVAILABLE',
        `The api was not ready after ${READY_TIMEOUT_MS / 1_000} s; its log says why.`,
      );
    await delay(50);
  }
};

/** One `taskflow <command>` process, started again when it ends by itself. It ends when this process does. */
class SupervisedProcess {
  readonly name: string;
  /** Why it ended, when it ended before it ran properly. */
  failure: string | undefined;
  readonly #command: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #logFile: string;
  readonly #say: (line: string) => void;
  #child: ChildProcess | undefined;
  #isStopping = false;

  /** @param command the arguments of `taskflow`, its name first */
  constructor(
    command: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv,
    logFile: string,
    say: (line: string) => void,
  ) {
    this.name = command[0];
    this.#command = command;
    this.#env = env;
    this.#logFile = logFile;
    this.#say = say;
    this.#start();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await exited;
  }

  #start(): void {
    const log = openSync(this.#logFile, 'a');
    // A session of its own: Ctrl-C reaches only the process that stops the others in order. The channel tells the child
    // when this process is gone.
    const child = fork(CLI, this.#command, {
      env: this.#env,
      detached: true,
      stdio: ['ignore', log, 'pipe', 'ipc'],
    });
    closeSync(log);
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      errors = (errors + chunk).slice(-2_000);
    });
    const startedAt = performance.now();
    child.once('exit', (code, signal) => {
      if (this.#isStopping) return;
      const reason = errors.trim().split('\n')[0] || `ended with ${signal ?? `code ${code}`}; see ${this.#logFile}`;
      if (performance.now() - startedAt < READY_TIMEOUT_MS / 10) this.failure = reason;
      this.#say(`The ${this.name} ended (${reason}); starting it again.`);
      setTimeout(() => {
        if (!this.#isStopping) this.#start();
      }, RESTART_MS);
    });
    this.#child = child;
  }
}
