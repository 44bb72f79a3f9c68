import type { Change } from '../realtime/change.ts';
import { hasEnded, type TaskStatus } from './task-state.ts';
import type { Task } from './task-store.ts';

/** What a change says beside its status, parsed once for all subscribers of this node. */
const parsedData = new WeakMap<Change, unknown>();

export const changeData = (change: Change): unknown => {
  if (change.data === '') return null;
  let value = parsedData.get(change);
  if (value === undefined) {
    value = JSON.parse(change.data);
    parsedData.set(change, value);
  }
  return value;
};

/**
 * The task as it is after a change; the recorder's UPDATE says the same in SQL (workers/manager/record-store.ts), and a
 * test compares the two.
 */
export const applyChange = <T extends Omit<Task, 'payload' | 'result'>>(
  task: T,
  change: Change,
): T & Pick<Task, 'result'> => {
  const status = change.status as TaskStatus;
  const at = new Date(change.atMs);
  const isHeld = status !== 'QUEUED' && status !== 'SCHEDULED';
  const begins = status === 'PROCESSING' && change.data === '';
  const before = hasEnded(task.status) ? { ...task, ...ANEW } : task;
  return {
    ...before,
    status,
    seq: change.seq,
    attempt: change.attempt,
    workerId: isHeld ? change.workerId || null : null,
    runAt: change.runAtMs === undefined ? before.runAt : new Date(change.runAtMs),
    startedAt: begins ? at : before.startedAt,
    finishedAt: hasEnded(status) ? at : null,
    result: status === 'COMPLETED' ? (changeData(change) as Task['result']) : null,
    error: errorAfter(before, status, change),
    ...cancellationAfter(before, status, change),
  };
};

/** What a task that was put back by hand has forgotten. */
const ANEW = {
  runAt: null,
  startedAt: null,
  error: null,
  progress: null,
  progressDetail: null,
  cancelRequestedAt: null,
  cancelReason: null,
};

const errorAfter = (task: Pick<Task, 'error'>, status: TaskStatus, change: Change): Task['error'] => {
  if (status === 'COMPLETED') return null;
  const failed = status === 'FAILED' || status === 'SCHEDULED';
  return failed && change.data !== '' ? (changeData(change) as Task['error']) : task.error;
};

/** A running task that is told to stop makes a transition to PROCESSING again, with the reason. */
const cancellationAfter = (
  task: Pick<Task, 'cancelRequestedAt' | 'cancelReason'>,
  status: TaskStatus,
  change: Change,
): Pick<Task, 'cancelRequestedAt' | 'cancelReason'> => {
  const isAsked = status === 'PROCESSING' && change.data !== '';
  return {
    cancelRequestedAt: isAsked ? new Date(change.atMs) : task.cancelRequestedAt,
    cancelReason: isAsked || status === 'CANCELLED' ? (changeData(change) as Task['cancelReason']) : task.cancelReason,
  };
};
