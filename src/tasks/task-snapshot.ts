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
  const failed = status === 'FAILED' || status === 'SCHEDULED';
  return {
    ...task,
    status,
    seq: change.seq,
    attempt: change.attempt,
    workerId: isHeld ? change.workerId || null : null,
    runAt: change.runAtMs === undefined ? task.runAt : new Date(change.runAtMs),
    startedAt: status === 'PROCESSING' ? at : task.startedAt,
    finishedAt: hasEnded(status) ? at : null,
    result: status === 'COMPLETED' ? (changeData(change) as Task['result']) : null,
    error:
      status === 'COMPLETED' ? null : failed && change.data !== '' ? (changeData(change) as Task['error']) : task.error,
  };
};
