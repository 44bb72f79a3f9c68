import pino from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { enqueue } from '../../../src/broker/calls.ts';
import { decodeEntry, encodeHead, type StreamedTransition } from '../../../src/broker/event-stream.ts';
import { eventsKey } from '../../../src/broker/keys.ts';
import type { Broker } from '../../../src/broker/lanes.ts';
import type { TaskPriority } from '../../../src/tasks/task-state.ts';
import type { TaskDefinition } from '../../../workers/runtime/define-task.ts';
import { startWorker, type Worker, type WorkerOptions } from '../../../workers/runtime/worker.ts';
import { type SetupOptions, setup, type TestApp, waitFor } from '../../support/setup.ts';
import { openEpoch } from '../../support/shard-setup.ts';

export interface Submission {
  type?: string;
  payload?: unknown;
  priority?: TaskPriority;
  queue?: string;
  maxAttempts?: number;
  timeoutMs?: number;
}

export interface WorkerApp extends TestApp {
  /** Puts tasks into Redis as a submitter does after its commit. Default: type "work" in queue "default". @returns their ids */
  submit(count: number, submission?: Submission): Promise<string[]>;
  /** Stopped at the end of the test. */
  start(tasks: readonly TaskDefinition[], options?: Partial<WorkerOptions>): Worker;
  /** Every transition so far, in order within each lane. */
  transitions(): Promise<StreamedTransition[]>;
  /** The transitions of one task so far, as "STATUS attempt". */
  history(id: string): Promise<string[]>;
  /** Waits for a transition of each of these tasks to the status. */
  reached(ids: readonly string[], status: string): Promise<StreamedTransition[]>;
  /** Waits until this many connections sleep in a blocking read of this test's keys. */
  asleep(count: number): Promise<void>;
}

export const setupWorkers = async (options: SetupOptions = {}): Promise<WorkerApp> => {
  const app = await setup(options);
  await beginEpoch(app.broker, 1);
  const workers: Worker[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.stop({ graceMs: 0 })));
    await app.close();
  };
  const transitions = () => readTransitions(app.broker);
  return {
    ...app,
    submit: (count: number, submission: Submission = {}) => submit(app.broker, count, submission),
    start: (tasks: readonly TaskDefinition[], more: Partial<WorkerOptions> = {}) => {
      const worker = startWorker({ ...DEFAULTS, broker: app.broker, tasks, ...more });
      workers.push(worker);
      return worker;
    },
    transitions,
    history: async (id: string) =>
      (await transitions()).filter(({ taskId }) => taskId === id).map(({ status, attempt }) => `${status} ${attempt}`),
    reached: (ids: readonly string[], status: string) =>
      waitFor(
        async () => {
          const found = (await transitions()).filter((one) => one.status === status && ids.includes(one.taskId));
          return new Set(found.map(({ taskId }) => taskId)).size === ids.length && found;
        },
        { what: `${ids.length} tasks are ${status}` },
      ),
    asleep: async (count: number) => {
      await waitFor(async () => (await sleepers(app.broker)) === count, { what: `${count} connections sleep` });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};

const DEFAULTS = {
  queues: ['*'],
  concurrency: 10,
  leaseMs: 30_000,
  heartbeatIntervalMs: 30_000,
  maxResultBytes: 1_000,
  logger: pino({ level: 'silent' }),
};

/** What the leader of each shard does once the shard has its data. */
export const beginEpoch = async (broker: Broker, epoch: number): Promise<void> => {
  for (const shard of broker.shards) await openEpoch(shard, epoch);
};

const submit = async (broker: Broker, count: number, submission: Submission): Promise<string[]> => {
  const {
    type = 'work',
    payload = null,
    priority = 'NORMAL',
    queue = 'default',
    maxAttempts = 3,
    timeoutMs,
  } = submission;
  const head = encodeHead({ queue, priority, ownerId: 'owner', maxAttempts, timeoutMs, type });
  const items = Array.from({ length: count }, () => ({
    id: uuidv7(),
    seq: 1,
    runAt: '',
    head,
    payload: JSON.stringify(payload),
  }));
  for (const shard of broker.shards) {
    const own = items.filter(({ id }) => broker.shardFor(priority, id) === shard);
    for (let i = 0; i < own.length; i += 500) await enqueue(shard, { epoch: 1 }, own.slice(i, i + 500));
  }
  return items.map(({ id }) => id);
};

const readTransitions = async (broker: Broker): Promise<StreamedTransition[]> => {
  const entries = await Promise.all(broker.shards.map(({ tag, lane }) => lane.redis.xrange(eventsKey(tag), '-', '+')));
  return entries.flat().flatMap(([id, fields]) => decodeEntry(id, fields).transitions);
};

/** Blocked clients of the whole server: tests that ask for them use a Redis of their own. */
const sleepers = async ({ low }: Broker): Promise<number> => {
  const clients = String(await low.redis.client('LIST'));
  return clients.split('\n').filter((line) => / flags=b .* cmd=blpop /.test(line)).length;
};
