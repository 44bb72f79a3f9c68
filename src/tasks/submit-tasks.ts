import { createHash } from 'node:crypto';
import type { Database, Prisma } from '../database/client.ts';
import { whileBusy } from '../database/while-busy.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import { traceSubmission } from '../tracing/tracing.ts';
import { encodeBackoff } from './backoff.ts';
import { PARENTS_BUSY } from './dependency-store.ts';
import {
  MAX_TASKS_AT_ONCE,
  type NewTask,
  refuseDraining,
  type SubmitInput,
  type TaskRules,
  toNewTask,
} from './new-task.ts';
import { asksForSame, wasMadeFrom } from './same-request.ts';
import { checkDependencyCount, takeParents } from './take-parents.ts';
import { type IdempotentRow, passOnIdempotencyKeys, type Task, takeIdempotencyKeys } from './task-store.ts';
import type { TaskWriter } from './task-writer.ts';
import { DEFAULT_MAX_ATTEMPTS } from './type-defaults.ts';

export interface SubmitServices {
  database: Database;
  taskWriter: TaskWriter;
  taskRules: TaskRules;
}

/**
 * Submits tasks, all or none. Returns after the commit.
 *
 * @param inputs 1 to 10,000
 * @param paths where each input stands in the request, for errors. Default: inputs.0, inputs.1, …
 * @returns the tasks in the order of the inputs; for a known idempotency key the task that was made with it
 * @throws TaskFlowError BAD_USER_INPUT (also for a task to wait for that is not there), PAYLOAD_TOO_LARGE, or CONFLICT for an
 *   idempotency key that was used for something else and for a queue that is draining
 */
export const submitTasks = (
  services: SubmitServices,
  ownerId: string,
  inputs: readonly SubmitInput[],
  path: (index: number) => string = (index) => `inputs.${index}`,
): Promise<Task[]> => traceSubmission(inputs, () => submit(services, ownerId, inputs, path));

const submit = async (
  services: SubmitServices,
  ownerId: string,
  inputs: readonly SubmitInput[],
  path: (index: number) => string,
): Promise<Task[]> => {
  if (inputs.length > MAX_TASKS_AT_ONCE) {
    throw badInput(
      'inputs',
      `At most ${MAX_TASKS_AT_ONCE} tasks can be submitted at once, not ${inputs.length}.`,
      MAX_TASKS_AT_ONCE,
    );
  }
  if (inputs.length === 0) return [];
  await services.taskRules.prepare(new Set(inputs.map(({ type }) => type)));
  const tasks = inputs.map((input, index) => toNewTask(ownerId, input, path(index), services.taskRules));
  if (tasks.some(({ idempotencyKey, waitsFor }) => idempotencyKey !== null || waitsFor)) {
    checkDependencyCount(tasks, 'inputs');
    return submitWithin(services, ownerId, tasks, inputs, path);
  }
  refuseDraining(tasks, (i) => `${path(i)}.queue`, services.taskRules);
  const at = await services.taskWriter.write(tasks);
  return tasks.map((task, index) => toTask(task, inputs[index]?.payload, at));
};

/**
 * With idempotency keys, or tasks to wait for: these and the tasks are written in one transaction. A known key gives its task
 * also where the queue is draining: whoever lost the answer asks again.
 */
const submitWithin = async (
  { database, taskWriter, taskRules }: SubmitServices,
  ownerId: string,
  tasks: readonly NewTask[],
  inputs: readonly SubmitInput[],
  path: (index: number) => string,
): Promise<Task[]> => {
  const { wanted, byKey } = distinctKeys(tasks, inputs);
  const pathOf = (task: NewTask): string => path(tasks.indexOf(task));
  const write = () => {
    const epochs = taskWriter.knownEpochs();
    return database.$transaction(async (transaction) => {
      const known = wanted.length > 0 ? await takeKeys(transaction, ownerId, wanted) : new Map<string, Task>();
      const isNew = ({ idempotencyKey: key, id }: NewTask): boolean =>
        key === null || (!known.has(key) && byKey.get(key) === id);
      const fresh = tasks.filter(isNew);
      refuseDraining(fresh, (i) => `${pathOf(fresh[i] as NewTask)}.queue`, taskRules);
      if (fresh.length === 0) return { known, at: new Date(), afterCommit: () => {}, hasEndedParents: false };
      const hasEndedParents = await takeParents(transaction, ownerId, fresh, pathOf);
      return { known, hasEndedParents, ...(await taskWriter.writeWithin(transaction, fresh, epochs)) };
    });
  };
  const { known, at, afterCommit, hasEndedParents } = await whileBusy(write, undefined, PARENTS_BUSY);
  afterCommit();
  if (hasEndedParents) taskWriter.announceEndedParents();
  const made = new Map(tasks.map((task) => [task.id, toTask(task, JSON.parse(task.payload), at)]));
  return tasks.map(({ id, idempotencyKey: key }) => {
    const earlier = key === null ? undefined : known.get(key);
    return earlier ?? (made.get(key === null ? id : (byKey.get(key) ?? id)) as Task);
  });
};

/**
 * Takes the keys for the new tasks, but for those of earlier tasks. A key whose task is no longer kept is free again,
 * whatever was asked for with it.
 *
 * @returns the earlier tasks by their keys
 * @throws TaskFlowError CONFLICT when an earlier task came from another request
 */
const takeKeys = async (
  transaction: Prisma.TransactionClient,
  ownerId: string,
  wanted: readonly WantedKey[],
): Promise<Map<string, Task>> => {
  const existing = new Map((await takeIdempotencyKeys(transaction, ownerId, wanted)).map((row) => [row.key, row]));
  if (existing.size === 0) return new Map();
  const ids = [...existing.values()].map(({ taskId }) => taskId);
  const tasks = new Map(
    (await transaction.task.findMany({ where: { id: { in: ids } } })).map((task) => [task.id, task]),
  );
  const known = new Map<string, Task>();
  for (const [key, { taskId }] of existing) {
    const task = tasks.get(taskId);
    if (task) known.set(key, task);
  }
  for (const row of wanted) {
    const task = known.get(row.key);
    // The same texts are found by their hashes; only others are compared.
    if (!task || hasSameHash(row, existing.get(row.key))) continue;
    if (!(await wasMadeFrom(transaction, row.task, task))) throw otherRequest(row);
  }
  await passOnIdempotencyKeys(
    transaction,
    ownerId,
    wanted.filter(({ key }) => existing.has(key) && !known.has(key)),
  );
  return known;
};

/** A key, with the first task of the call that has it. */
interface WantedKey extends IdempotentRow {
  task: NewTask;
}

const distinctKeys = (
  tasks: readonly NewTask[],
  inputs: readonly SubmitInput[],
): { wanted: WantedKey[]; byKey: Map<string, string> } => {
  const wanted = new Map<string, WantedKey>();
  for (const [index, task] of tasks.entries()) {
    if (task.idempotencyKey === null) continue;
    const asked = inputs[index] as SubmitInput;
    const row = { key: task.idempotencyKey, taskId: task.id, requestHash: requestHash(task, asked), task };
    const earlier = wanted.get(row.key);
    if (!earlier) wanted.set(row.key, row);
    else if (!hasSameHash(row, earlier) && !asksForSame(task, earlier.task)) throw otherRequest(row);
  }
  return { wanted: [...wanted.values()], byKey: new Map([...wanted.values()].map(({ key, taskId }) => [key, taskId])) };
};

const hasSameHash = (wanted: IdempotentRow, earlier: IdempotentRow | undefined): boolean =>
  earlier !== undefined && Buffer.compare(wanted.requestHash, earlier.requestHash) === 0;

const otherRequest = ({ key }: IdempotentRow): TaskFlowError =>
  new TaskFlowError('CONFLICT', `The idempotency key "${key}" was used for another request.`, {
    field: 'idempotencyKey',
  });

/** Of what was asked for, without the defaults of its type: a worker that announces others makes no other request of it. */
const requestHash = (
  { type, queue, priority, payload, runAt, tags, waitsFor, onParentFailure }: NewTask,
  asked: SubmitInput,
): Buffer =>
  createHash('sha256')
    .update(
      JSON.stringify([
        type,
        queue,
        priority,
        payload,
        asked.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
        asked.timeoutMs ?? null,
        runAt,
        tags,
        ...(asked.backoff ? [encodeBackoff(asked.backoff)] : []),
        ...(waitsFor ? [waitsFor, onParentFailure] : []),
      ]),
    )
    .digest();

/** The row as PostgreSQL has it now, without reading it. */
const toTask = (task: NewTask, payload: unknown, at: Date): Task => ({
  id: task.id,
  ownerId: task.ownerId,
  type: task.type,
  queue: task.queue,
  payload: (payload ?? null) as Task['payload'],
  priority: task.priority,
  status: task.status,
  seq: 1,
  attempt: 0,
  maxAttempts: task.maxAttempts,
  timeoutMs: task.timeoutMs,
  progress: null,
  progressDetail: null,
  result: null,
  error: null,
  workerId: null,
  tags: [...task.tags],
  createdAt: at,
  runAt: task.runAt,
  startedAt: null,
  finishedAt: null,
  backoff: task.backoff,
  cancelRequestedAt: null,
  cancelReason: null,
  submittedAt: at,
});
