import type { StreamedTransition } from '../../src/broker/event-stream.ts';
import type { Task } from '../../src/tasks/task-store.ts';

/** The next transition of a task, as Redis would stream it. */
export const transitionOf = (
  task: Pick<Task, 'id' | 'ownerId' | 'queue' | 'type'>,
  seq: number,
  status: string,
  more: Partial<StreamedTransition> = {},
): StreamedTransition => ({
  taskId: task.id,
  seq,
  status,
  attempt: 1,
  ownerId: task.ownerId,
  queue: task.queue,
  type: task.type,
  workerId: status === 'PROCESSING' ? 'worker-1' : '',
  runAtMs: undefined,
  data: '',
  atMs: Date.now(),
  ...more,
});

/** A task that was claimed and completed. */
export const completion = (task: Pick<Task, 'id' | 'ownerId' | 'queue' | 'type'>, result: unknown = 'done') => [
  transitionOf(task, 2, 'PROCESSING'),
  transitionOf(task, 3, 'COMPLETED', { workerId: 'worker-1', data: JSON.stringify(result) }),
];
