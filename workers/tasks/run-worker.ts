import { openBroker } from '../../src/broker/open-broker.ts';
import type { Config } from '../../src/config.ts';
import type { Logger } from '../../src/logger.ts';
import { startWorker } from '../runtime/worker.ts';
import { builtInTasks } from './index.ts';

/** A worker with the built-in tasks and connections of its own, as `taskflow worker` runs it. */
export const runWorker = (config: Config, logger: Logger): { stop(): Promise<void> } => {
  const broker = openBroker(config, logger);
  const worker = startWorker({
    broker,
    tasks: builtInTasks({ filesDir: config.FILES_DIR }),
    queues: config.WORKER_QUEUES.split(','),
    concurrency: config.WORKER_CONCURRENCY,
    leaseMs: config.LEASE_MS,
    heartbeatIntervalMs: config.HEARTBEAT_INTERVAL_SECONDS * 1_000,
    maxResultBytes: config.MAX_RESULT_BYTES,
    logger,
  });
  return {
    stop: async () => {
      await worker.stop({ graceMs: config.SHUTDOWN_GRACE_MS });
      broker.close();
    },
  };
};
