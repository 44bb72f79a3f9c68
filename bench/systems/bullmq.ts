import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Queue, QueueEvents } from 'bullmq';
import { Children } from '../children.ts';
import type { Servers } from '../servers.ts';
import { Ends } from './ends.ts';
import { type Contestant, inParallel, PAYLOAD, type System } from './system.ts';

const WORKER = fileURLToPath(new URL('../workers/bullmq.ts', import.meta.url));
const QUEUE = 'bench';

const open = async ({ redisPort }: Servers, keepsEnded: boolean): Promise<System> => {
  const connection = { port: redisPort, maxRetriesPerRequest: null };
  const queue = new Queue(QUEUE, { connection, defaultJobOptions: { removeOnComplete: !keepsEnded } });
  // Opened for whoever waits for single jobs: following the events of all would slow the other scenarios.
  let events: QueueEvents | undefined;
  await queue.waitUntilReady();
  const ends = new Ends();
  /** Not `job.waitUntilFinished`: it fails where the job has ended, and is removed, before it looks. */
  const follow = async (): Promise<QueueEvents> => {
    // From the stream's beginning: by itself it follows from its first read on, which may come after the first job's end.
    const opened = new QueueEvents(QUEUE, { connection, lastEventId: '0-0' }).on('completed', ({ jobId }) =>
      ends.note(jobId),
    );
    await opened.waitUntilReady();
    return opened;
  };
  const children = new Children();
  let submitted = 0;
  const isIdle = async (): Promise<boolean> => {
    const { waiting = 0, active = 0 } = await queue.getJobCounts('waiting', 'active');
    return waiting + active === 0;
  };
  return {
    submit: async (options) => {
      submitted += options.count;
      await inParallel(options, (size) =>
        size === 1
          ? queue.add('noop', PAYLOAD)
          : queue.addBulk(Array.from({ length: size }, () => ({ name: 'noop', data: PAYLOAD }))),
      );
    },
    startWorkers: async (count) => {
      const env = { REDIS_PORT: String(redisPort), QUEUE };
      await Promise.all(Array.from({ length: count }, () => children.start([WORKER], env, 'ready')));
    },
    stopWorkers: () => children.stop(),
    untilEnded: async (count) => {
      if (count !== submitted) throw new Error(`${submitted} jobs were submitted, not ${count}`);
      while (!(await isIdle())) await delay(10);
    },
    submitAndWait: async () => {
      events ??= await follow();
      const { id = '' } = await queue.add('noop', PAYLOAD);
      await ends.of(id);
    },
    [Symbol.asyncDispose]: async () => {
      await children.stop();
      await Promise.all([queue.close(), events?.close()]);
    },
  };
};

export const bullmq: Contestant = {
  name: 'BullMQ',
  keeps: 'nothing: a completed job is removed from Redis',
  open: (servers) => open(servers, false),
};

export const bullmqKeeping: Contestant = {
  name: 'BullMQ, keeping jobs',
  keeps: 'job and result in Redis, with its last second at risk; nothing in PostgreSQL',
  open: (servers) => open(servers, true),
};
