import type { Broker } from '../../src/broker/lanes.ts';
import type { Config } from '../../src/config.ts';
import type { Logger } from '../../src/logger.ts';
import type { TaskDefinition } from '../runtime/define-task.ts';
import { startWorker, type Worker } from '../runtime/worker.ts';

/** Starts a worker as the settings say. The broker stays the caller's. */
export const startConfigured = (
  config: Config,
  broker: Broker,
  tasks: readonly TaskDefinition[],
  logger: Logger,
): Worker => {
  const { queues, queueLimits } = parseQueues(config.WORKER_QUEUES);
  return startWorker({
    broker,
    tasks,
    queues,
    queueLimits,
    concurrency: config.WORKER_CONCURRENCY,
    leaseMs: config.LEASE_MS,
    heartbeatIntervalMs: config.HEARTBEAT_INTERVAL_SECONDS * 1_000,
    maxResultBytes: config.MAX_RESULT_BYTES,
    threads: config.WORKER_THREADS || undefined,
    threadMemoryMb: config.WORKER_THREAD_MEMORY_MB,
    logger,
  });
};

/** @param text names with commas between, each with a limit after a colon or without: "mail,images:5" */
export const parseQueues = (text: string): { queues: string[]; queueLimits: Record<string, number> } => {
  const pairs = text.split(',').map((part) => part.split(':') as [string, string?]);
  const limited = pairs.filter(([, limit]) => limit !== undefined);
  return {
    queues: [...new Set(pairs.map(([queue]) => queue))],
    queueLimits: Object.fromEntries(limited.map(([queue, limit]) => [queue, Number(limit)])),
  };
};
