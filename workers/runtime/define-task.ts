import type { Logger } from 'pino';
import { z } from 'zod';
import { TASK_TYPE } from '../../src/tasks/new-task.ts';

export { DoNotRetryError, RetryAfterError } from './outcome.ts';

/** What a handler is given. */
export interface TaskContext<Payload> {
  readonly payload: Payload;
  /**
   * Aborted when going on is pointless: the deadline passed, the task was cancelled, the lease was lost, or the worker shuts
   * down. Its reason says which. A handler that ends soon after loses nothing; what it returns then may be ignored.
   */
  readonly signal: AbortSignal;
  readonly taskId: string;
  /** Counted from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly ownerId: string;
  readonly queue: string;
  /** What became of the tasks that it waited for, by their names in the flow, or their ids. */
  readonly parents: Readonly<Record<string, ParentOutcome>>;
  /** The worker's own log; names the task in every line. */
  readonly logger: Logger;
  /**
   * Says how far the attempt is. Subscribers get it live, at most ten times a second; the last value is kept with the task.
   *
   * @param percent 0 to 100
   */
  progress(percent: number, detail?: unknown): void;
  /**
   * Keeps a line with the task, where its owner reads it, live or later. At most 1,000 lines of an attempt are kept, of about
   * 8,000 characters each.
   */
  log(level: LogLevel, message: string, fields?: Record<string, unknown>): void;
}

/** How a task ended that others waited for. */
export interface ParentOutcome {
  taskId: string;
  status: 'COMPLETED' | 'FAILED' | 'CANCELLED';
  /** Of a COMPLETED one; null where it is not handed over because it is too large. */
  result?: unknown;
  /** Of a FAILED one. */
  error?: unknown;
  /** The result is left out: results of all parents together took more than 4 MiB. */
  isOmitted?: true;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * Returns the result, which must be JSON (undefined becomes null), or throws. A thrown error is retried with backoff while
 * attempts are left; see DoNotRetryError and RetryAfterError for the exceptions.
 */
export type Handler<Payload> = (context: TaskContext<Payload>) => unknown;

/** A task type that a worker can run. Made by defineTask(). */
export interface TaskDefinition {
  readonly type: string;
  /** Undefined: any payload will do. */
  readonly payload: z.ZodType | undefined;
  /** JSON Schema (draft 2020-12) of the payload as text, "null" for any. Submissions are checked with it. */
  readonly payloadSchema: string;
  /** JSON object: `timeoutMs` and `backoff` (as `encodeBackoff` writes it) of tasks that do not say. */
  readonly defaults: string;
  readonly handler: Handler<unknown>;
}

export interface TaskOptions<Schema extends z.ZodType> {
  /** 1 to 128 characters out of a-z, A-Z, 0-9 and "._:-". */
  type: string;
  /** What the payload must be. Checked without awaiting: no asynchronous refinements. Default: anything. */
  payload?: Schema;
  handler: Handler<z.output<Schema>>;
}

/**
 * Declares a task type: its name, the form of its payload and what runs it.
 *
 * @throws Error when the name is not a task type's
 */
export const defineTask = <Schema extends z.ZodType = z.ZodUnknown>(options: TaskOptions<Schema>): TaskDefinition => {
  if (!TASK_TYPE.test(options.type))
    throw new Error(`"${options.type}" cannot name a task type: it must match ${TASK_TYPE.source}`);
  return {
    type: options.type,
    payload: options.payload,
    payloadSchema: options.payload ? JSON.stringify(toJsonSchema(options.payload)) : 'null',
    defaults: '{}',
    // Sound because validation gives the handler what its schema put out.
    handler: options.handler as Handler<unknown>,
  };
};

// What submitters send is the input of the schema: defaults are optional there, and transforms have not happened.
const toJsonSchema = (schema: z.ZodType): unknown =>
  z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input', unrepresentable: 'any' });
