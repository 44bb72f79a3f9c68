/** `taskflow/client`: submits tasks over the API, and watches them. */
export type { ConnectionOptions } from './connection.ts';
export { ApiError, type ApiErrorDetails, TaskFailedError } from './errors.ts';
export type { Task, TaskPriority, TaskStatus, TaskTransition } from './task.ts';
export { type SubmitOptions, TaskFlow, type TaskLike } from './task-flow.ts';
export { type InputOf, type Json, type ResultOf, type TaskRef, taskRef } from './task-ref.ts';
export type { WatchOptions } from './watch.ts';
