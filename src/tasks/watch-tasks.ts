import type { Reach } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import type { TaskEvent } from '../database/generated/client/client.ts';
import { TaskFlowError } from '../errors.ts';
import type { Change, ProgressMessage } from '../realtime/change.ts';
import { isSideMessage } from '../realtime/owner-feed.ts';
import type { RealtimeRouter } from '../realtime/router.ts';
import { closing } from './closing.ts';
import { findTask, LARGE_PARTS, type LargePart, type TaskSummary } from './find-tasks.ts';
import { applyChange, changeData } from './task-snapshot.ts';
import { hasEnded, type TaskStatus } from './task-state.ts';

export interface WatchServices {
  database: Database;
  router: RealtimeRouter;
}

/** The columns of an event that clients see. */
export type WatchedEvent = Omit<TaskEvent, 'ownerId' | 'position'>;

const watched = async ({ database, router }: WatchServices, reach: Reach, taskId: string) => {
  const task = await findTask(database, reach, taskId, []);
  if (!task) throw new TaskFlowError('NOT_FOUND', `There is no task ${taskId}.`);
  // The task's own id: the given one may be in capitals.
  return { task, subscribe: () => router.subscribe(task.ownerId, task.id) };
};

/**
 * The task as it is now, then as of every later transition and progress, in order; ends after the last one.
 *
 * @param reach whose task it must be; undefined for an admin
 * @param parts which of the large parts are asked for: a payload is held as long as its task is watched. Default: all
 * @throws TaskFlowError NOT_FOUND; SLOW_CONSUMER from the iterator
 */
export const watchTask = async (
  services: WatchServices,
  reach: Reach,
  taskId: string,
  parts: readonly LargePart[] = LARGE_PARTS,
): Promise<AsyncIterableIterator<TaskSummary>> => {
  const found = await watched(services, reach, taskId);
  const messages = await services.router.subscribeWithSide(found.task.ownerId, found.task.id);
  // Read again now that changes are being collected: nothing falls between.
  const states = async function* () {
    let task = await findTask(services.database, reach, taskId, parts);
    if (!task) return;
    yield task;
    if (hasEnded(task.status)) return;
    // Of an attempt that this subscriber has not seen begin yet.
    let early: ProgressMessage | undefined;
    for await (const message of messages) {
      if (isSideMessage(message)) {
        if (message.kind !== 'progress') continue;
        early = message;
      } else {
        if (message.seq <= task.seq) continue;
        task = applyChange(task, message);
      }
      if (early && early.attempt <= task.attempt) {
        task = { ...task, progress: early.percent, progressDetail: detailOf(early) };
        early = undefined;
      } else if (isSideMessage(message)) continue;
      yield task;
      if (hasEnded(task.status)) return;
    }
  };
  return closing(messages, states());
};

const detailOf = ({ detail }: ProgressMessage): TaskSummary['progressDetail'] =>
  detail === '' ? null : JSON.parse(detail);

/**
 * Every transition with seq > `afterSeq`, in order, each once, past ones first; ends after the last one.
 *
 * @throws TaskFlowError NOT_FOUND; SLOW_CONSUMER from the iterator
 */
export const watchTaskEvents = async (
  services: WatchServices,
  reach: Reach,
  taskId: string,
  afterSeq: number,
): Promise<AsyncIterableIterator<WatchedEvent>> => {
  const { subscribe } = await watched(services, reach, taskId);
  const { changes } = await subscribe();
  const events = async function* () {
    const past = await services.database.taskEvent.findMany({ where: { taskId }, orderBy: { seq: 'asc' } });
    let last = afterSeq;
    for (const event of past) {
      if (event.seq <= last) continue;
      yield event;
      last = event.seq;
    }
    const newest = past.at(-1);
    // Without any, it was deleted just now.
    if (!newest || hasEnded(newest.status)) return;
    for await (const change of changes) {
      if (change.seq <= newest.seq) continue;
      if (change.seq > last) yield toEvent(change);
      if (hasEnded(change.status as TaskStatus)) return;
    }
  };
  return closing(changes, events());
};

/** An event as its row has it. A COMPLETED event has no detail: the result is the task's. */
export const toEvent = (change: Change): WatchedEvent => ({
  taskId: change.taskId,
  seq: change.seq,
  status: change.status as TaskStatus,
  at: new Date(change.atMs),
  attempt: change.attempt,
  workerId: change.workerId || null,
  detail: change.status === 'COMPLETED' ? null : (changeData(change) as WatchedEvent['detail']),
});
