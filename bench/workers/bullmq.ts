import { Worker } from 'bullmq';

/** A worker process with the concurrency that measured best (100 to 200). */
const worker = new Worker(process.env.QUEUE ?? '', async () => ({ ok: true }), {
  connection: { port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null },
  concurrency: 200,
});
await worker.waitUntilReady();
process.stdout.write('ready\n');
process.once('SIGTERM', async () => {
  await worker.close();
  process.exit(0);
});
