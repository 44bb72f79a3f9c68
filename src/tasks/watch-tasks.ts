import type { Reach } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import type { TaskEvent } from '../database/generated/client/client.ts';
import { TaskFlowError } from '../errors.ts';
import type { Change, ProgressMessage } from '../realtime/change.ts';
import type { Mailbox } from '../realtime/mailbox.ts';
import { type FeedMessage, isSideMessage } from '../realtime/owner-feed.ts';
import type { PausableSource, SourceListener } from '../realtime/pausable-source.ts';
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
): Promise<TaskStates> => {
  const found = await watched(services, reach, taskId);
  const messages = await services.router.subscribeWithSide(found.task.ownerId, found.task.id);
  return new TaskStates(messages, () => findTask(services.database, reach, taskId, parts));
};

/**
 * The states of one task. Whoever listens gets a state with each message, at once; there are thousands of them, so what one
 * holds is counted in bytes.
 */
export class TaskStates
  implements PausableSource<TaskSummary>, SourceListener<FeedMessage>, AsyncIterableIterator<TaskSummary>
{
  readonly #messages: Mailbox<FeedMessage>;
  /** Until the first state was read. */
  #read: (() => Promise<TaskSummary | null>) | undefined;
  #task: TaskSummary | undefined;
  /** Of an attempt that this subscriber has not seen begin yet. */
  #early: ProgressMessage | undefined;
  #listener: SourceListener<TaskSummary> | undefined;

  constructor(messages: Mailbox<FeedMessage>, read: () => Promise<TaskSummary | null>) {
    this.#messages = messages;
    this.#read = read;
  }

  async next(): Promise<IteratorResult<TaskSummary>> {
    try {
      const state = this.#read ? await this.#begin() : await this.#nextState();
      if (state) return { value: state, done: false };
    } catch (error) {
      await this.return();
      throw error;
    }
    return this.return();
  }

  listen(listener: SourceListener<TaskSummary>): void {
    this.#listener = listener;
    if (this.#read) void this.#beginFor(listener);
    else if (!this.#task || hasEnded(this.#task.status)) listener.end(undefined);
    else this.#messages.listen(this);
  }

  pause(): void {
    this.#listener = undefined;
    this.#messages.pause();
  }

  async return(): Promise<IteratorResult<TaskSummary>> {
    this.#read = undefined;
    this.#task = undefined;
    this.#listener = undefined;
    await this.#messages.return();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** For the mailbox. */
  receive(message: FeedMessage): void {
    const state = this.#after(message);
    if (state) this.#handOver(state);
  }

  /** For the mailbox. */
  end(error: Error | undefined): void {
    this.#listener?.end(error);
  }

  /** Read when changes are being collected already: nothing falls between. @returns undefined when it is no longer kept */
  async #begin(): Promise<TaskSummary | undefined> {
    const task = (await this.#read?.()) ?? undefined;
    // Whoever has left meanwhile gets nothing.
    if (this.#read) this.#task = task;
    this.#read = undefined;
    return this.#task;
  }

  async #beginFor(listener: SourceListener<TaskSummary>): Promise<void> {
    try {
      const task = await this.#begin();
      if (this.#listener !== listener) return;
      if (!task) return listener.end(undefined);
      this.#handOver(task);
      if (this.#listener === listener) this.#messages.listen(this);
    } catch (error) {
      await this.#messages.return();
      listener.end(error as Error);
    }
  }

  async #nextState(): Promise<TaskSummary | undefined> {
    while (this.#task && !hasEnded(this.#task.status)) {
      const { value: message, done } = await this.#messages.next();
      if (done) return undefined;
      const state = this.#after(message);
      if (state) return state;
    }
    return undefined;
  }

  #handOver(state: TaskSummary): void {
    this.#listener?.receive(state);
    if (!hasEnded(state.status)) return;
    void this.#messages.return();
    this.#listener?.end(undefined);
    this.#listener = undefined;
  }

  /** @returns the task after a message; undefined where that says nothing yet, or nothing new */
  #after(message: FeedMessage): TaskSummary | undefined {
    if (!this.#task) return undefined;
    if (!isSideMessage(message)) {
      if (message.seq <= this.#task.seq) return undefined;
      this.#task = applyChange(this.#task, message);
    } else if (message.kind === 'progress') {
      this.#early = message;
    } else {
      return undefined;
    }
    const progress = this.#early;
    if (progress && progress.attempt <= this.#task.attempt) {
      this.#early = undefined;
      this.#task = { ...this.#task, progress: progress.percent, progressDetail: detailOf(progress) };
    } else if (isSideMessage(message)) {
      return undefined;
    }
    return this.#task;
  }
}

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
