import { createHash } from 'node:crypto';
import type { Database } from '../database/client.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import { MAX_TASKS_AT_ONCE, type NewTask, type SubmitInput, type TaskRules, toNewTask } from './new-task.ts';
import { type IdempotentRow, type Task, takeIdempotencyKeys } from './task-store.ts';
import type { TaskWriter } from './task-writer.ts';

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
 * @throws TaskFlowError BAD_USER_INPUT, PAYLOAD_TOO_LARGE, or CONFLICT for an idempotency key that was used for something else
 */
export const submitTasks = async (
  services: SubmitServices,
  ownerId: string,
  inputs: readonly SubmitInput[],
  path: (index: number) => string = (index) => `inputs.${index}`,
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
  if (tasks.some(({ idempotencyKey }) => idempotencyKey !== null)) return submitOnce(services, ownerId, tasks);
  const at = await services.taskWriter.write(tasks);
  return tasks.map((task, index) => toTask(task, inputs[index]?.payload, at));
};

/** With idempotency keys: the keys and the tasks are written in one transaction. */
const submitOnce = async (
  { database, taskWriter }: SubmitServices,
  ownerId: string,
  tasks: readonly NewTask[],
): Promise<Task[]> => {
  const { wanted, byKey } = distinctKeys(tasks);
  const epochs = taskWriter.knownEpochs();
  const written = await database.$transaction(async (transaction) => {
    const existing = new Map((await takeIdempotencyKeys(transaction, ownerId, wanted)).map((row) => [row.key, row]));
    for (const row of wanted) refuseOtherRequest(row, existing.get(row.key));
    const isNew = (task: NewTask): boolean =>
      task.idempotencyKey === null ||
      (!existing.has(task.idempotencyKey) && byKey.get(task.idempotencyKey) === task.id);
    const fresh = tasks.filter(isNew);
    const { at, afterCommit } =
      fresh.length > 0
        ? await taskWriter.writeWithin(transaction, fresh, epochs)
        : { at: new Date(), afterCommit: () => {} };
    const known = await transaction.task.findMany({
      where: { id: { in: [...existing.values()].map(({ taskId }) => taskId) } },
    });
    return { at, afterCommit, existing, known: new Map(known.map((task) => [task.id, task])) };
  });
  written.afterCommit();
  const made = new Map(tasks.map((task) => [task.id, toTask(task, JSON.parse(task.payload), written.at)]));
  return tasks.map((task) => {
    if (task.idempotencyKey === null) return made.get(task.id) as Task;
    const earlier = written.existing.get(task.idempotencyKey);
    const found = earlier ? written.known.get(earlier.taskId) : made.get(byKey.get(task.idempotencyKey) ?? '');
    if (!found)
      throw new TaskFlowError('CONFLICT', `The task of idempotency key "${task.idempotencyKey}" is no longer kept.`);
    return found;
  });
};

const distinctKeys = (tasks: readonly NewTask[]): { wanted: IdempotentRow[]; byKey: Map<string, string> } => {
  const wanted = new Map<string, IdempotentRow>();
  for (const task of tasks) {
    if (task.idempotencyKey === null) continue;
    const row = { key: task.idempotencyKey, taskId: task.id, requestHash: requestHash(task) };
    const earlier = wanted.get(row.key);
    if (earlier) refuseOtherRequest(row, earlier);
    else wanted.set(row.key, row);
  }
  return { wanted: [...wanted.values()], byKey: new Map([...wanted.values()].map(({ key, taskId }) => [key, taskId])) };
};

const refuseOtherRequest = (wanted: IdempotentRow, earlier: IdempotentRow | undefined): void => {
  if (!earlier || Buffer.compare(wanted.requestHash, earlier.requestHash) === 0) return;
  throw new TaskFlowError('CONFLICT', `The idempotency key "${wanted.key}" was used for another request.`, {
    field: 'idempotencyKey',
  });
};

const requestHash = ({
  type,
  queue,
  priority,
  payload,
  maxAttempts,
  timeoutMs,
  runAt,
  tags,
  backoff,
}: NewTask): Buffer =>
  createHash('sha256')
    .update(
      JSON.stringify([
        type,
        queue,
        priority,
        payload,
        maxAttempts,
        timeoutMs,
        runAt,
        tags,
        ...(backoff ? [backoff] : []),
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
