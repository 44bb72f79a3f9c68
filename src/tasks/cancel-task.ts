import { setTimeout as delay } from 'node:timers/promises';
import { cancel } from '../broker/calls.ts';
import { BrokerNotReadyError } from '../broker/define-function.ts';
import type { Broker, Shard } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import type { Change } from '../realtime/change.ts';
import type { Mailbox } from '../realtime/mailbox.ts';
import type { RealtimeRouter } from '../realtime/router.ts';
import { cancelWaiting } from './cancel-waiting.ts';
import { findTask, type TaskSummary } from './find-tasks.ts';
import { hasEnded } from './task-state.ts';
import type { TaskWriter } from './task-writer.ts';

export interface CancelServices {
  database: Database;
  broker: Broker;
  router: RealtimeRouter;
  taskWriter: TaskWriter;
  /** How long a running task may go on after it was told to stop, in ms. */
  cancelGraceMs: number;
}

const MAX_REASON_LENGTH = 1_000;
/** A task may be on its way to Redis, or its end on the way to PostgreSQL, or Redis be rebuilt: for so long the two are asked again. */
const TRIES = 20;
const RETRY_MS = 250;
/** How long the answer waits for the recorder. Later the task is cancelled all the same. */
const RECORDED_MS = 5_000;

/** What stands in the events and in the task's `cancelReason`. @throws TaskFlowError BAD_USER_INPUT */
export const cancelReason = (message: string | null | undefined): string => {
  if (message && message.length > MAX_REASON_LENGTH) {
    throw badInput('reason', `reason must have at most ${MAX_REASON_LENGTH} characters.`, MAX_REASON_LENGTH);
  }
  if (message && (message.includes('\0') || !message.isWellFormed())) {
    throw badInput('reason', 'reason must not contain the character NUL or half of a surrogate pair.');
  }
  return JSON.stringify(message ? { reason: 'CANCELLED', message } : { reason: 'CANCELLED' });
};

/**
 * Cancels a task. A waiting one ends at once. A running one is told to stop, and ends when its worker lets go of it, or when
 * the grace period is over. Tasks that wait for it are cancelled as well when it ends, unless they chose to run.
 *
 * @param ownerId whose it must be; undefined for an admin
 * @returns the task as PostgreSQL has it after the cancellation, or after the request to stop
 * @throws TaskFlowError NOT_FOUND; CONFLICT, which names its state, when it has ended; UNAVAILABLE while Redis is away
 */
export const cancelTask = async (
  services: CancelServices,
  ownerId: string | undefined,
  id: string,
  message: string | null | undefined,
): Promise<TaskSummary> => {
  const reason = cancelReason(message);
  const task = await findTask(services.database, ownerId, id, []);
  if (!task) throw new TaskFlowError('NOT_FOUND', `There is no task ${id}.`);
  refuseEnded(task);
  // When it is no longer WAITING by now, it is on its way to the broker.
  const isCancelled =
    task.status === 'WAITING' && (await cancelWaiting(services, ownerId, [task.id], reason)).length > 0;
  if (isCancelled) return (await findTask(services.database, ownerId, id)) ?? task;
  const { changes } = await services.router.subscribe(task.ownerId, task.id);
  try {
    const seq = await cancelInBroker(services, task, reason);
    await untilRecorded(services, changes, task, seq);
  } finally {
    await changes.return();
  }
  return (await findTask(services.database, ownerId, id)) ?? task;
};

const refuseEnded = ({ id, status }: TaskSummary): void => {
  if (hasEnded(status)) throw new TaskFlowError('CONFLICT', `The task ${id} has ended already: it is ${status}.`);
};

/** @returns the seq of the transition that it made; undefined where the shard does not have the task, or waits to be rebuilt */
const askBroker = async (
  shard: Shard,
  deadlineMs: number,
  item: { id: string; reason: string },
): Promise<number | undefined> => {
  try {
    const [answer] = await cancel(shard, { deadlineMs }, [item]);
    return answer?.seq;
  } catch (error) {
    if (error instanceof BrokerNotReadyError) return undefined;
    throw error;
  }
};

/** @returns the seq of the transition that the cancellation made */
const cancelInBroker = async (services: CancelServices, task: TaskSummary, reason: string): Promise<number> => {
  const shard = services.broker.shardFor(task.priority, task.id);
  for (let i = 0; i < TRIES; i++) {
    const seq = await askBroker(shard, services.cancelGraceMs, { id: task.id, reason });
    if (seq !== undefined) return seq;
    const now = await findTask(services.database, undefined, task.id, []);
    if (!now) throw new TaskFlowError('NOT_FOUND', `There is no task ${task.id}.`);
    refuseEnded(now);
    await delay(RETRY_MS);
  }
  throw new TaskFlowError(
    'UNAVAILABLE',
    `The task ${task.id} is being put back into the queue; try again in a moment.`,
  );
};

/** Nothing is answered before it is true: waits until PostgreSQL has this transition. */
const untilRecorded = async (
  { database }: CancelServices,
  changes: Mailbox<Change>,
  task: TaskSummary,
  seq: number,
): Promise<void> => {
  const timer = setTimeout(() => void changes.return(), RECORDED_MS);
  try {
    const now = await findTask(database, undefined, task.id, []);
    if (!now || now.seq >= seq) return;
    for await (const change of changes) if (change.seq >= seq) return;
  } finally {
    clearTimeout(timer);
  }
};
