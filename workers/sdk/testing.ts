import pino, { type Logger } from 'pino';
import type { ResultOf } from '../../src/client/task-ref.ts';
import type { LogLevel, ParentOutcome, TaskContext, TaskDefinition } from '../runtime/define-task.ts';
import { checkResult, validate } from '../runtime/executor.ts';
import { toJson } from '../runtime/json-result.ts';
import { DoNotRetryError } from '../runtime/outcome.ts';
import { type CreateWorkerOptions, createWorker, type RunningWorker } from './create-worker.ts';

export interface RunTaskOptions {
  /** Counted from 1. Default: 1. */
  attempt?: number;
  /** Default: 3. */
  maxAttempts?: number;
  /** Abort it as a worker would. Default: one that is never aborted. */
  signal?: AbortSignal;
  /** What became of the tasks that it waited for. Default: none. */
  parents?: Readonly<Record<string, ParentOutcome>>;
  /** Default: "task-1". */
  taskId?: string;
  /** Default: "owner". */
  ownerId?: string;
  /** Default: "default". */
  queue?: string;
  /** W3C Trace Context. Default: none. */
  traceparent?: string;
  /** Default: one that writes nothing. */
  logger?: Logger;
}

/** What came of a handler's run. */
export interface TaskRun<Result> {
  /** As it would be kept: gone through JSON. */
  result: Result;
  /** What it said of itself, in order; nothing is coalesced. */
  progress: { percent: number; detail: unknown }[];
  logs: { level: LogLevel; message: string; fields: Record<string, unknown> | undefined }[];
}

/**
 * Runs a task's handler once, as a worker does, in this process and without Redis: the payload is checked before, the result
 * afterwards. Isolated tasks run here as well, not in a thread. Nothing is retried and no deadline watched.
 *
 * @throws DoNotRetryError INVALID_PAYLOAD, INVALID_RESULT or RESULT_NOT_SERIALIZABLE; what the handler throws
 */
export const runTask = async <Definition extends TaskDefinition>(
  task: Definition,
  payload: unknown,
  options: RunTaskOptions = {},
): Promise<TaskRun<ResultOf<Definition>>> => {
  const progress: TaskRun<unknown>['progress'] = [];
  const logs: TaskRun<unknown>['logs'] = [];
  const context: TaskContext<unknown> = {
    payload: await validate(task, payload),
    signal: options.signal ?? new AbortController().signal,
    taskId: options.taskId ?? 'task-1',
    attempt: options.attempt ?? 1,
    maxAttempts: options.maxAttempts ?? 3,
    ownerId: options.ownerId ?? 'owner',
    queue: options.queue ?? 'default',
    parents: options.parents ?? {},
    traceparent: options.traceparent,
    logger: options.logger ?? pino({ level: 'silent' }),
    progress: (percent, detail) => progress.push({ percent, detail }),
    log: (level, message, fields) => logs.push({ level, message, fields }),
  };
  const returned = await task.handler(context);
  const json = toJson(task.result ? await checkResult(task.result, returned) : returned);
  if (typeof json !== 'string') {
    throw new DoNotRetryError(`the result is not JSON: ${json.problem}`, { code: 'RESULT_NOT_SERIALIZABLE' });
  }
  return { result: JSON.parse(json) as ResultOf<Definition>, progress, logs };
};

/**
 * A whole worker in this process, for tests against a TaskFlow that runs: as createWorker, but it writes no log unless it is
 * given one, and at its end it hands back at once what still runs. `await using` stops it.
 */
export const startTestWorker = (options: CreateWorkerOptions): RunningWorker => {
  const worker = createWorker({ logger: pino({ level: 'silent' }), ...options });
  const stop: RunningWorker['stop'] = ({ graceMs = 0 } = {}) => worker.stop({ graceMs });
  return {
    id: worker.id,
    get running() {
      return worker.running;
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
};
