/** `taskflow/worker`: what it takes to write tasks and to run them. */
export type { BackoffInput } from '../../src/tasks/backoff.ts';
export {
  AttemptTimeoutError,
  CancelRequestedError,
  LeaseLostError,
  WorkerStoppingError,
} from '../runtime/attempt.ts';
export {
  DoNotRetryError,
  defineTask,
  type Handler,
  type LogLevel,
  type ParentOutcome,
  type ResultOptions,
  RetryAfterError,
  type TaskContext,
  type TaskDefinition,
  type TaskOptions,
} from '../runtime/define-task.ts';
export type { TaskErrorOptions } from '../runtime/outcome.ts';
export { type CreateWorkerOptions, createWorker, type RunningWorker } from './create-worker.ts';
