import { Connection, type ConnectionOptions } from './connection.ts';
import { ApiError, TaskFailedError } from './errors.ts';
import { Patience, type PatienceOptions } from './patience.ts';
import { type OnWire, TASK_FIELDS, type Task, type TaskPriority, type TaskTransition, toTask } from './task.ts';
import type { TaskRef } from './task-ref.ts';
import { type WatchOptions, watchTask } from './watch.ts';

export interface SubmitOptions {
  /** In which line it waits. Default: "default". */
  queue?: string;
  /** Default: NORMAL. */
  priority?: TaskPriority;
  /** Not before this time. Default: now. */
  runAt?: Date;
  /** How often it is tried. Default: as its type says, else 3. */
  maxAttempts?: number;
  /** How long one attempt may take, in ms. Default: as its type says. */
  timeoutMs?: number;
  /** How long it waits between attempts. Default: as its type says. */
  backoff?: { kind: 'FIXED' | 'EXPONENTIAL'; delayMs: number; maxDelayMs?: number; jitter?: number };
  /** The same key from the same owner gives the same task. */
  idempotencyKey?: string;
  /** Up to 20 words, to find it by. */
  tags?: readonly string[];
  /** Tasks of the same owner that it waits for, at most 100: its handler gets their results in `context.parents`. */
  dependsOn?: readonly TaskLike[];
  /** What becomes of it when one of them fails or is cancelled. Default: CANCEL, the same. */
  onParentFailure?: 'CANCEL' | 'RUN';
}

const CREATE = `mutation ($input: CreateTaskInput!) { task: createTask(input: $input) { ${TASK_FIELDS} } }`;
const CREATE_MANY = `mutation ($inputs: [CreateTaskInput!]!) { tasks: createTasks(inputs: $inputs) { ${TASK_FIELDS} } }`;
const CANCEL = `mutation ($id: ID!, $reason: String) { task: cancelTask(id: $id, reason: $reason) { ${TASK_FIELDS} } }`;
const RETRY = `mutation ($id: ID!) { task: retryTask(id: $id) { ${TASK_FIELDS} } }`;
const FIND = `query ($id: ID!) { task(id: $id) { ${TASK_FIELDS} } }`;

type OneTask = { task: OnWire<Task> };

/** A task, or its id. */
export type TaskLike<Result = unknown> = Pick<Task<Result>, 'id' | 'result'> | string;

/**
 * A client of TaskFlow's API. Errors carry the API's `code`; see ApiError.
 *
 * It opens a socket when something is first watched, which keeps the process alive while it is; `close` closes it.
 */
export class TaskFlow implements AsyncDisposable {
  readonly #connection: Connection;

  constructor(options: ConnectionOptions) {
    this.#connection = new Connection(options);
  }

  /**
   * Submits a task. Once this resolves the task is durable, whatever fails.
   *
   * @param task a definition, which says what its payload is; or the name of any type
   * @throws ApiError BAD_USER_INPUT with the `field` that does not fit, CONFLICT, RATE_LIMITED, UNAVAILABLE, …
   */
  async submit<Input, Result>(
    task: TaskRef<Input, Result> | string,
    payload: NoInfer<Input>,
    options: SubmitOptions = {},
  ): Promise<Task<Result>> {
    const { task: made } = await this.#connection.request<OneTask>(CREATE, { input: toInput(task, payload, options) });
    return toTask(made);
  }

  /**
   * Submits a task for each payload, all or none, at most 10,000 at once.
   *
   * @returns the tasks in the order of the payloads
   * @throws ApiError whose `field` says which one is at fault: `inputs.3.payload.file`
   */
  async submitMany<Input, Result>(
    task: TaskRef<Input, Result> | string,
    payloads: readonly NoInfer<Input>[],
    options: Omit<SubmitOptions, 'idempotencyKey'> = {},
  ): Promise<Task<Result>[]> {
    const inputs = payloads.map((payload) => toInput(task, payload, options));
    const { tasks } = await this.#connection.request<{ tasks: OnWire<Task>[] }>(CREATE_MANY, { inputs });
    return tasks.map((made) => toTask<Result>(made));
  }

  /** The task as it is now; null where there is none, also where it is somebody else's. */
  async get<Result = unknown>(task: TaskLike<Result>): Promise<Task<Result> | null> {
    return this.#find(idOf(task));
  }

  /**
   * The task's transitions, each once and in order, past ones first, until it has ended. It goes on by itself after a cut
   * connection, from the transition after the last one.
   *
   * @throws ApiError NOT_FOUND, UNAUTHENTICATED, …; UNAVAILABLE when the API was away for longer than `patienceMs`
   */
  watch(task: TaskLike, options: WatchOptions = {}): AsyncGenerator<TaskTransition, void, undefined> {
    return watchTask(this.#connection, idOf(task), options);
  }

  /**
   * Waits until the task has ended.
   *
   * @returns its result, of the type that the definition says
   * @throws TaskFailedError when it FAILED or was CANCELLED; ApiError as `watch` does
   */
  async result<Result>(
    task: TaskLike<Result>,
    options: Omit<WatchOptions, 'afterSeq'> & { task?: TaskRef<unknown, Result> } = {},
  ): Promise<Result> {
    const id = idOf(task);
    for await (const _transition of this.watch(id, options));
    const ended = await this.#findPatiently<Result>(id, options);
    if (!ended) throw new ApiError('there is no such task', { code: 'NOT_FOUND' });
    const { status, error, cancelReason } = ended;
    if (status === 'FAILED' || status === 'CANCELLED') throw new TaskFailedError(id, status, error, cancelReason);
    // Somebody put it back meanwhile.
    if (status !== 'COMPLETED') return this.result(task, options);
    return ended.result as Result;
  }

  /**
   * Cancels a task: a waiting one at once, a running one when its worker let go.
   *
   * @throws ApiError CONFLICT when it has ended
   */
  async cancel<Result>(task: TaskLike<Result>, reason?: string): Promise<Task<Result>> {
    const variables = { id: idOf(task), reason: reason ?? null };
    return toTask((await this.#connection.request<OneTask>(CANCEL, variables)).task);
  }

  /**
   * Puts a FAILED or CANCELLED task back, with its attempts counted anew.
   *
   * @throws ApiError CONFLICT when it is neither
   */
  async retry<Result>(task: TaskLike<Result>): Promise<Task<Result>> {
    return toTask((await this.#connection.request<OneTask>(RETRY, { id: idOf(task) })).task);
  }

  /** Closes the socket. Whatever is watched ends. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #findPatiently<Result>(id: string, options: PatienceOptions): Promise<Task<Result> | null> {
    const patience = new Patience(options);
    for (;;) {
      try {
        return await this.#find<Result>(id, options.signal);
      } catch (error) {
        await patience.endure(error);
      }
    }
  }

  async #find<Result>(id: string, signal?: AbortSignal): Promise<Task<Result> | null> {
    const { task } = await this.#connection.request<{ task: OnWire<Task> | null }>(FIND, { id }, signal);
    return task && toTask(task);
  }
}

const idOf = (task: TaskLike): string => (typeof task === 'string' ? task : task.id);

/** null instead of a number of attempts says: as the type has it. The schema of the API would give 3. */
const toInput = (task: TaskRef | string, payload: unknown, options: SubmitOptions): Record<string, unknown> => ({
  ...options,
  ...(options.dependsOn ? { dependsOn: options.dependsOn.map(idOf) } : {}),
  type: typeof task === 'string' ? task : task.type,
  payload: payload ?? null,
  maxAttempts: options.maxAttempts ?? null,
});
