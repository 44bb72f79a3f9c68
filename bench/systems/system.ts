import type { Servers } from '../servers.ts';

/** A task queue that is measured: TaskFlow, or one of its peers with its best documented settings. */
export interface Contestant {
  readonly name: string;
  /** What is left of a task that ended, and where. It is said beside the figures. */
  readonly keeps: string;
  /** Sets the queue up, empty, on these servers. */
  open(servers: Servers): Promise<System>;
}

/** An open queue with no-op tasks of PAYLOAD. Submissions are made inside the benchmark's process, workers are others. */
export interface System extends AsyncDisposable {
  /** Submits `count` tasks with `callers` at once, `size` in a call; returns when all are acknowledged. */
  submit(options: { count: number; callers: number; size: number }): Promise<void>;
  /** Starts worker processes, ready to work. */
  startWorkers(count: number): Promise<void>;
  stopWorkers(): Promise<void>;
  /** Waits until this many tasks ended since it was opened, each as durably as the queue makes it. */
  untilEnded(count: number): Promise<void>;
  /** Submits one task and waits until this process sees that it ended. */
  submitAndWait(): Promise<void>;
}

/** About 100 bytes, as in most queues: an id, a name, a few numbers. */
export const PAYLOAD = {
  orderId: 'f6c2b1aa-6f0d-4d0b-9a3e-0d5a8f7c9e21',
  customer: 'Ada Lovelace',
  amount: 12.5,
  items: 3,
};

/** Calls `submit` until `count` tasks were given away, `callers` at once, `size` in a call. */
export const inParallel = async (
  { count, callers, size }: { count: number; callers: number; size: number },
  submit: (size: number) => Promise<unknown>,
): Promise<void> => {
  let left = count;
  const call = async (): Promise<void> => {
    while (left > 0) {
      const next = Math.min(size, left);
      left -= next;
      await submit(next);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
};
