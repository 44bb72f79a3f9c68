import { openBroker } from '../../src/broker/open-broker.ts';
import { runProcess } from '../../src/run-process.ts';
import { startWorker } from '../../workers/runtime/worker.ts';
import { builtInTasks } from '../../workers/tasks/index.ts';
import { conformanceTasks } from './tasks.ts';

await runProcess('worker', [], (config, logger) => {
  const broker = openBroker(config, logger);
  const worker = startWorker({
    broker,
    tasks: [...builtInTasks({ filesDir: config.FILES_DIR }), ...conformanceTasks],
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
});
