import { useMemo } from 'react';
import { useTaskNow } from '../live/use-task-now.ts';
import type { TaskStatus } from '../schema.generated.ts';
import type { FlowQuery } from './flows.generated.ts';

export type Flow = NonNullable<FlowQuery['flow']>;

/** A task of a flow as it is now. */
export interface FlowTask {
  name: string;
  dependsOn: readonly string[];
  /** Missing when it is not kept any more. */
  id: string | undefined;
  type: string | undefined;
  status: TaskStatus | undefined;
}

/** Values that the API takes in one filter. */
export const MOST_IDS = 500;

/**
 * The tasks of a flow, which go on by themselves, by one subscription.
 *
 * @param cursor of its owner
 * @param ownerId where it is somebody else's
 */
export const useFlowTasks = ({ tasks }: Flow, cursor: string, ownerId: string | undefined): FlowTask[] => {
  const ids = useMemo(() => tasks.flatMap(({ task }) => task?.id ?? []), [tasks]);
  // Of a larger flow, all tasks are watched and those of others are passed over.
  const where = { ...(ids.length <= MOST_IDS && { ids }), ...(ownerId !== undefined && { ownerId }) };
  const now = useTaskNow(where, ids.length > 0 ? cursor : undefined);
  return useMemo(
    () =>
      tasks.map(({ name, dependsOn, task }) => ({
        name,
        dependsOn,
        id: task?.id,
        type: task?.type,
        status: now.get(task?.id ?? '')?.status ?? task?.status,
      })),
    [tasks, now],
  );
};

/** How many of them stand where, in the order in which tasks go. */
export const countByStatus = (tasks: readonly FlowTask[]): [TaskStatus, number][] =>
  ORDER.flatMap((status) => {
    const count = tasks.filter((task) => task.status === status).length;
    return count > 0 ? [[status, count] as [TaskStatus, number]] : [];
  });

const ORDER: readonly TaskStatus[] = [
  'WAITING',
  'SCHEDULED',
  'QUEUED',
  'PROCESSING',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
];

const ENDED: ReadonlySet<TaskStatus | undefined> = new Set(['COMPLETED', 'FAILED', 'CANCELLED'] as const);

/** The ids of those that can still be cancelled. */
export const unfinished = (tasks: readonly FlowTask[]): string[] =>
  tasks.flatMap(({ id, status }) => (id !== undefined && status !== undefined && !ENDED.has(status) ? [id] : []));

/** The ids of those that can be put back. */
export const retryable = (tasks: readonly FlowTask[]): string[] =>
  tasks.flatMap(({ id, status }) => (id !== undefined && (status === 'FAILED' || status === 'CANCELLED') ? [id] : []));
