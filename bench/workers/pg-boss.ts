import { PgBoss } from 'pg-boss';

/** A worker process with the settings that measured best: batches of 1,000, two at once, woken by NOTIFY. */
const boss = new PgBoss({
  connectionString: process.env.DATABASE_URL ?? '',
  supervise: false,
  schedule: false,
  useListenNotify: true,
});
await boss.start();
await boss.work(
  process.env.QUEUE ?? '',
  { batchSize: 1_000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
  async () => ({ ok: true }),
);
process.stdout.write('ready\n');
process.once('SIGTERM', async () => {
  await boss.stop({ graceful: true, timeout: 5_000 });
  process.exit(0);
});
