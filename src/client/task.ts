export type TaskStatus = 'SCHEDULED' | 'WAITING' | 'QUEUED' | 'PROCESSING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
export type TaskPriority = 'HIGH' | 'NORMAL' | 'LOW';

/** A task as it was when the API answered. */
export interface Task<Result = unknown> {
  id: string;
  type: string;
  queue: string;
  priority: TaskPriority;
  status: TaskStatus;
  attempt: number;
  maxAttempts: number;
  /** In ms; null: as long as it likes. */
  timeoutMs: number | null;
  /** 0 to 100; null where its handler said nothing. */
  progress: number | null;
  /** Of a COMPLETED one; null otherwise. */
  result: Result | null;
  /** Of the last attempt that failed. */
  error: { message: string; code: string | null; stack: string | null } | null;
  cancelReason: string | null;
  workerId: string | null;
  tags: string[];
  createdAt: Date;
  runAt: Date | null;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** One transition of a task: what the audit trail keeps. */
export interface TaskTransition {
  taskId: string;
  /** Counted from 1; `watch` goes on after it. */
  seq: number;
  status: TaskStatus;
  at: Date;
  attempt: number;
  workerId: string | null;
  detail: unknown;
}

/** A value as it comes over the wire: its times are text. */
export type OnWire<T> = {
  [Key in keyof T]: T[Key] extends Date ? string : T[Key] extends Date | null ? string | null : T[Key];
};

export const TASK_FIELDS = `id type queue priority status attempt maxAttempts timeoutMs progress result
  error { message code stack } cancelReason workerId tags createdAt runAt startedAt finishedAt`;

export const TRANSITION_FIELDS = 'taskId seq status at attempt workerId detail';

const toDate = (text: string | null): Date | null => (text === null ? null : new Date(text));

export const toTask = <Result>(wire: OnWire<Task>): Task<Result> => ({
  ...wire,
  result: wire.result as Result | null,
  createdAt: new Date(wire.createdAt),
  runAt: toDate(wire.runAt),
  startedAt: toDate(wire.startedAt),
  finishedAt: toDate(wire.finishedAt),
});

export const toTransition = (wire: OnWire<TaskTransition>): TaskTransition => ({ ...wire, at: new Date(wire.at) });
