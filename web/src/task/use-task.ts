import type { CombinedError } from '@urql/core';
import { useQuery, useSubscription } from 'urql';
import type { TaskStatus } from '../schema.generated.ts';
import { RelatedChangesDocument, TaskPageDocument, type TaskPageQuery } from './task.generated.ts';

export type ShownTask = NonNullable<TaskPageQuery['task']>;

export const hasEnded = (status: TaskStatus): boolean => ['COMPLETED', 'FAILED', 'CANCELLED'].includes(status);

export interface LiveTask {
  /** undefined while it is loading; null where there is none. */
  task: ShownTask | null | undefined;
  /** Something will still happen, or has happened that is not shown yet: watch `taskUpdated`. */
  isMoving: boolean;
  error: CombinedError | undefined;
  load: () => void;
}

/**
 * A task, and where the tasks stand that it waits for and that wait for it. `taskUpdated` ends with the task; that it was
 * retried afterwards, in whatever browser, comes from `taskChanges`.
 */
export const useTask = (id: string): LiveTask => {
  const [{ data, error }, ask] = useQuery({
    query: TaskPageDocument,
    variables: { id },
    requestPolicy: 'cache-and-network',
  });
  const task = data?.task;
  const [{ data: lastSeq = 0 }] = useSubscription(
    {
      query: RelatedChangesDocument,
      variables: { ids: task ? familyOf(task) : [], after: data?.taskChangesCursor ?? null },
      pause: !task,
    },
    (last: number | undefined, { taskChanges: { event } }) =>
      event.taskId === id ? Math.max(last ?? 0, event.seq) : (last ?? 0),
  );
  const shown = task?.events.at(-1);
  return {
    task,
    // A change brings the status alone, and may be here first: the result comes with the transitions.
    isMoving: task ? !hasEnded(task.status) || shown?.status !== task.status || lastSeq > shown.seq : false,
    error,
    load: () => ask({ requestPolicy: 'network-only' }),
  };
};

const familyOf = ({ id, dependsOn, dependents }: ShownTask): string[] => [
  id,
  ...dependsOn.flatMap(({ task }) => (task ? [task.id] : [])),
  ...dependents.map((each) => each.id),
];
