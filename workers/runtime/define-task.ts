import type { Logger } from 'pino';
import type { Json, TaskRef } from '../../src/client/task-ref.ts';
import type { BackoffInput } from '../../src/tasks/backoff.ts';
import { TASK_TYPE } from '../../src/tasks/new-task.ts';
import { encodeTypeDefaults } from '../../src/tasks/type-defaults.ts';
import { type Schema, toJsonSchema } from './schemas.ts';

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
  /**
   * W3C Trace Context, for what the handler asks elsewhere; undefined where its task is not traced. Where the worker collects
   * traces, it is that of the attempt's own span, which is also the active one of @opentelemetry/api.
   */
  readonly traceparent: string | undefined;
  /** The worker's own log; names the task in every line. */
  readonly logger: Logger;
  /**
   * Says how far the attempt is. Subscribers get it live, at most ten times a second; the last value is kept with the task.
   *
   * @param percent 0 to 100
   * @param detail any JSON of at most 4 KiB, in place of the one before; of a larger one only the size is kept
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
export type Handler<Payload, Returned = unknown> = (context: TaskContext<Payload>) => Returned;

/** Marks what defineTask made, also when two copies of this module are loaded. */
const BRAND = Symbol.for('taskflow.task');

/** A task type that a worker can run. Made by defineTask(). A client submits by it, typed alike. */
export interface TaskDefinition<Input = unknown, Result = unknown> extends TaskRef<Input, Result> {
  /** Undefined: any payload will do. */
  readonly payload: Schema | undefined;
  /** Undefined: any result will do. */
  readonly result: Schema | undefined;
  /** JSON Schema (draft 2020-12) of the payload as text, "null" for any. Submissions are checked with it. */
  readonly payloadSchema: string;
  /** JSON object with what `encodeTypeDefaults` writes: `maxAttempts`, `timeoutMs` and `backoff` of tasks that do not say. */
  readonly defaults: string;
  readonly handler: Handler<unknown>;
  /** Runs in a thread of its own, which loads this module (a file URL) and finds the type among what it exports. */
  readonly isolate: string | true | undefined;
}

export interface TaskOptions<Input, Payload, Returned> {
  /** 1 to 128 characters out of a-z, A-Z, 0-9 and "._:-". */
  type: string;
  /** What the payload must be: a schema of zod, valibot, arktype or another library with Standard Schema. Default: anything. */
  payload?: Schema<Input, Payload>;
  /** Where tasks of this type do not say themselves. */
  retry?: {
    /** 1 to 100. For tasks that are submitted with `maxAttempts: null`, as the typed client does; others have 3. */
    maxAttempts?: number;
    /** Default: 1 s, doubled each time, at most an hour. */
    backoff?: BackoffInput;
  };
  /** How long one attempt may take where the task does not say, in ms. Default: as long as it likes. */
  timeoutMs?: number;
  /**
   * JSON Schema (draft 2020-12) of the payload, in place of the one that the library writes; null: the API takes any payload
   * and the worker alone checks it. Default: as the library of `payload` writes it.
   */
  payloadJsonSchema?: object | null;
  /**
   * Runs the handler in a thread, so that work for the processor neither holds up other tasks nor survives its deadline: at
   * the deadline, when it is cancelled and when its lease is lost, the handler is told to stop, and killed if it does not.
   * `true` where a worker loads the file with `--tasks`; else `import.meta.url`, of a module that exports this definition.
   * Default: false.
   */
  isolate?: boolean | string | URL;
  handler: Handler<Payload, Returned>;
}

export interface ResultOptions<Input, Payload, Returned, Result>
  extends TaskOptions<Input, Payload, NoInfer<Returned> | Promise<NoInfer<Returned>>> {
  /** What the handler must return. A result that does not fit fails the task, without another attempt. Default: anything. */
  result: Schema<Returned, Result>;
}

/**
 * Declares a task type: its name, the form of its payload and result, and what runs it.
 *
 * @throws Error when the name is not a task type's, when a default is out of bounds, or when the library of the payload's
 *   schema cannot write it as JSON Schema and none is given
 */
export function defineTask<Input = unknown, Payload = Input, Returned = unknown, Result = Returned>(
  options: ResultOptions<Input, Payload, Returned, Result>,
): TaskDefinition<Input, Json<Result>>;
export function defineTask<Input = unknown, Payload = Input, Returned = unknown>(
  options: TaskOptions<Input, Payload, Returned> & { result?: undefined },
): TaskDefinition<Input, Json<Awaited<Returned>>>;
export function defineTask(
  // biome-ignore lint/suspicious/noExplicitAny: the signatures above tie them together.
  options: TaskOptions<any, any, any> & { result?: Schema | undefined },
): TaskDefinition {
  const { type, payload, result, retry, timeoutMs, isolate, handler } = options;
  if (!TASK_TYPE.test(type)) throw new Error(`"${type}" cannot name a task type: it must match ${TASK_TYPE.source}`);
  return brand({
    type,
    payload: payload as Schema | undefined,
    result,
    payloadSchema: JSON.stringify(jsonSchemaOf(type, options)),
    defaults: encodeTypeDefaults({ ...retry, timeoutMs }),
    // Sound because validation gives the handler what its schema put out.
    handler: handler as Handler<unknown>,
    isolate: typeof isolate === 'boolean' ? isolate || undefined : isolate?.toString(),
  });
}

/** The task types that a module exports, by name or in lists. */
export const definitionsOf = (module: Record<string, unknown>): TaskDefinition[] => {
  const exported = Object.values(module).flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value]));
  return [...new Set(exported.filter(isTaskDefinition))];
};

/** The definition, with the module where a thread finds it, unless it named one itself. */
export const locateTask = (definition: TaskDefinition, module: string): TaskDefinition =>
  definition.isolate === true ? brand({ ...definition, isolate: module }) : definition;

const brand = (definition: TaskDefinition): TaskDefinition => Object.defineProperty(definition, BRAND, { value: true });

/** Whether a value was made by defineTask(). */
export const isTaskDefinition = (value: unknown): value is TaskDefinition =>
  typeof value === 'object' && value !== null && BRAND in value;

const jsonSchemaOf = (
  type: string,
  { payload, payloadJsonSchema }: { payload?: Schema; payloadJsonSchema?: object | null },
): unknown => {
  if (payloadJsonSchema !== undefined) return payloadJsonSchema;
  if (!payload) return null;
  try {
    return toJsonSchema(payload);
  } catch (cause) {
    throw new Error(`the payload of ${type} cannot be announced: ${(cause as Error).message}`, { cause });
  }
};
