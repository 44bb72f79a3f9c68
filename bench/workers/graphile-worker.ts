import { Logger, run } from 'graphile-worker';

/** A worker process with the settings that measured best: a local queue, and completions written in batches. */
const runner = await run({
  connectionString: process.env.DATABASE_URL ?? '',
  taskList: { noop: () => undefined },
  noHandleSignals: true,
  logger: new Logger(() => () => undefined),
  preset: {
    worker: {
      concurrentJobs: 24,
      maxPoolSize: 26,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
});
process.stdout.write('ready\n');
process.once('SIGTERM', async () => {
  await runner.stop();
  process.exit(0);
});
