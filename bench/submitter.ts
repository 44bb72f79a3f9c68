import { pino } from 'pino';
import { Epochs } from '../src/tasks/epochs.ts';
import type { SubmitInput } from '../src/tasks/new-task.ts';
import { submitTasks } from '../src/tasks/submit-tasks.ts';
import { TaskTypes } from '../src/tasks/task-types.ts';
import { TaskWriter } from '../src/tasks/task-writer.ts';
import type { BenchStack } from './stack.ts';

/** About 100 bytes, as in most queues: an id, a name, a few numbers. */
export const PAYLOAD = {
  orderId: 'f6c2b1aa-6f0d-4d0b-9a3e-0d5a8f7c9e21',
  customer: 'Ada Lovelace',
  amount: 12.5,
  items: 3,
};

export const TASK: SubmitInput = {
  type: 'echo',
  payload: PAYLOAD,
  queue: 'default',
  priority: 'NORMAL',
  maxAttempts: 3,
};

/** Submits as the api does, inside this process: checks, the shared statement, the commit, the enqueue. */
export interface Submitter extends AsyncDisposable {
  /** Submits `count` tasks with `callers` at once, `size` in a call. Returns how many a second were acknowledged. */
  submit(ownerId: string, options: { count: number; callers: number; size: number }): Promise<number>;
}

export const openSubmitter = async ({ database, broker, config }: BenchStack): Promise<Submitter> => {
  const logger = pino({ level: 'warn' });
  const epochs = new Epochs(broker, config.RECONCILE_INTERVAL_MS / 4, logger);
  while (epochs.snapshot().size < broker.shards.length) await epochs.refresh();
  const taskWriter = new TaskWriter(database, broker, epochs, logger);
  const taskTypes = new TaskTypes(broker, logger);
  const taskRules = {
    maxPayloadBytes: config.MAX_PAYLOAD_BYTES,
    prepare: (types: Iterable<string>) => taskTypes.prepare(types),
    checkPayload: taskTypes.checkPayload,
    defaultsOf: taskTypes.defaultsOf,
    isDraining: () => false,
  };
  const services = { database, taskWriter, taskRules };
  return {
    submit: async (ownerId, { count, callers, size }) => {
      let left = count;
      const call = async (): Promise<void> => {
        while (left > 0) {
          const tasks = Array.from({ length: Math.min(size, left) }, () => TASK);
          left -= tasks.length;
          await submitTasks(services, ownerId, tasks);
        }
      };
      const startedAt = performance.now();
      await Promise.all(Array.from({ length: callers }, call));
      return (count / (performance.now() - startedAt)) * 1_000;
    },
    [Symbol.asyncDispose]: async () => {
      epochs.close();
      await taskWriter.close();
    },
  };
};
