import type { StreamedTransition } from '../../src/broker/event-stream.ts';
import type { Task } from '../../src/tasks/task-store.ts';
import { beginTerm } from '../../workers/manager/reconcile-store.ts';
import type { Term } from '../../workers/manager/record-store.ts';
import type { TestApp } from './setup.ts';

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

/** Begins a term, in which transitions can be recorded; one that a shard had before is over. */
export const beginTermOf = async ({ database }: Pick<TestApp, 'database'>, shardId = 'low:0'): Promise<Term> => ({
  shardId,
  term: await beginTerm(database, shardId),
});
