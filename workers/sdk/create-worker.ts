import { openBroker } from '../../src/broker/open-broker.ts';
import { loadConfig, readEnvironment } from '../../src/config.ts';
import { createLogger, type Logger } from '../../src/logger.ts';
import type { TaskDefinition } from '../runtime/define-task.ts';
import { startConfigured } from './engine.ts';

export interface CreateWorkerOptions {
  /** The task types that it runs. At least one. */
  tasks: readonly TaskDefinition[];
  /** Queues to serve, with limits after a colon where they have some: `['mail', 'images:5']`. Default: WORKER_QUEUES, else all. */
  queues?: readonly string[];
  /** How many tasks run at once. Default: WORKER_CONCURRENCY, else 100. */
  concurrency?: number;
  /** Settings by their names in the README, before those of the environment: `{ REDIS_HOST_LOW: 'redis' }`. */
  settings?: Readonly<Record<string, string>>;
  /** Default: one that writes to stdout, as LOG_LEVEL says. */
  logger?: Logger;
}

/** A worker that runs in this process. */
export interface RunningWorker extends AsyncDisposable {
  /** New at each start. */
  readonly id: string;
  /** How many tasks it holds. */
  readonly running: number;
  /**
   * Claims no more, and lets running tasks end; after the grace period it tells the rest to stop and hands them back. Its
   * connections are closed then.
   */
  stop(options?: {
    /** In ms. Default: SHUTDOWN_GRACE_MS, else 10,000. */
    graceMs?: number;
  }): Promise<void>;
}

/**
 * Starts a worker in this process, with connections to Redis of its own. It returns at once and connects by itself, also when
 * Redis is away. It hears no signals of the process: call `stop` on SIGTERM.
 *
 * @throws TaskFlowError BAD_USER_INPUT that names every setting that is wrong
 * @throws Error when there are no tasks, or two of the same type
 */
export const createWorker = (options: CreateWorkerOptions): RunningWorker => {
  const { tasks, queues, concurrency, settings } = options;
  const config = loadConfig([], {
    ...readEnvironment(),
    ...settings,
    ...(queues ? { WORKER_QUEUES: queues.join(',') } : {}),
    ...(concurrency === undefined ? {} : { WORKER_CONCURRENCY: String(concurrency) }),
  });
  const logger = options.logger ?? createLogger(config.LOG_LEVEL, 'worker');
  const broker = openBroker(config, logger);
  try {
    const worker = startConfigured(config, broker, tasks, logger);
    const stop = async ({ graceMs = config.SHUTDOWN_GRACE_MS } = {}): Promise<void> => {
      await worker.stop({ graceMs });
      broker.close();
    };
    return {
      id: worker.id,
      get running() {
        return worker.running;
      },
      stop,
      [Symbol.asyncDispose]: () => stop(),
    };
  } catch (error) {
    broker.close();
    throw error;
  }
};
