import DataLoader from 'dataloader';
import { LRUCache } from 'lru-cache';
import type { Database } from '../database/client.ts';
import type { TaskEvent } from '../database/generated/client/client.ts';
import type { Change } from '../realtime/change.ts';
import type { TaskSummary } from './find-tasks.ts';
import { findEventsUpTo, findTaskRows, type TaskRow } from './task-page-store.ts';
import { applyChange } from './task-snapshot.ts';
import { hasEnded, type TaskPriority, type TaskStatus } from './task-state.ts';

/** Unfinished tasks whose last state is remembered; about 1 kB each. */
const MAX_REMEMBERED = 20_000;
const MAX_BATCH = 500;

/**
 * What tasks looked like as of a change, for subscribers who ask for more than the change says. A task that this node has
 * followed from an earlier change on costs no read; others are read from PostgreSQL once, many together.
 */
export class TaskSnapshots {
  readonly #remembered = new LRUCache<string, TaskSummary>({ max: MAX_REMEMBERED });
  /** Subscribers of an owner share the changes, so what one of them worked out serves all. */
  readonly #asOf = new WeakMap<Change, TaskSummary>();
  readonly #loader: DataLoader<Change, TaskSummary | undefined>;

  constructor(database: Database) {
    this.#loader = new DataLoader((changes) => readSnapshots(database, changes), {
      cache: false,
      maxBatchSize: MAX_BATCH,
    });
  }

  /** The task as of a change that was followed or loaded before. */
  get(change: Change): TaskSummary | undefined {
    return this.#asOf.get(change);
  }

  /** Works out the task as of a change from its first transition, or from the one before; without a read. */
  follow(change: Change): TaskSummary | undefined {
    const known = this.#asOf.get(change);
    if (known) return known;
    const before = change.seq === 1 ? beginning(change) : this.#remembered.get(change.taskId);
    if (before?.seq !== change.seq - 1) return undefined;
    return this.#remember(change, applyChange(before, change));
  }

  /** Makes `get` work for these changes, but for tasks that are no longer kept. */
  async load(changes: readonly Change[]): Promise<void> {
    const missing = changes.filter((change) => !this.follow(change));
    if (missing.length === 0) return;
    const loaded = await this.#loader.loadMany(missing);
    missing.forEach((change, i) => {
      const task = loaded[i];
      if (task instanceof Error) throw task;
      if (task) this.#remember(change, task);
    });
  }

  #remember(change: Change, task: TaskSummary): TaskSummary {
    this.#asOf.set(change, task);
    const latest = this.#remembered.get(task.id);
    if (latest && latest.seq > task.seq) return task;
    // Results may be large, and nothing follows an end but a retry by hand.
    if (hasEnded(task.status)) this.#remembered.delete(task.id);
    else this.#remembered.set(task.id, task);
    return task;
  }
}

/** The task just before its first transition. */
const beginning = (change: Change): TaskSummary | undefined => {
  const { origin, taskId, ownerId, type, queue, atMs } = change;
  if (!origin) return undefined;
  return {
    id: taskId,
    ownerId,
    type,
    queue,
    priority: origin.priority as TaskPriority,
    status: change.status as TaskStatus,
    seq: 0,
    attempt: 0,
    maxAttempts: origin.maxAttempts,
    timeoutMs: origin.timeoutMs,
    progress: null,
    progressDetail: null,
    error: null,
    workerId: null,
    tags: origin.tags,
    createdAt: new Date(atMs),
    runAt: origin.runAt === null ? null : new Date(origin.runAt),
    startedAt: null,
    finishedAt: null,
    backoff: origin.backoff,
    cancelRequestedAt: null,
    cancelReason: null,
    submittedAt: new Date(atMs),
  };
};

const readSnapshots = async (database: Database, changes: readonly Change[]): Promise<(TaskSummary | undefined)[]> => {
  const upTo = new Map<string, number>();
  for (const { taskId, seq } of changes) upTo.set(taskId, Math.max(seq, upTo.get(taskId) ?? 0));
  const [rows, events] = await Promise.all([findTaskRows(database, [...upTo.keys()]), findEventsUpTo(database, upTo)]);
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const eventsOf = Map.groupBy(events, ({ taskId }) => taskId);
  return changes.map((change) => {
    const row = rowOf.get(change.taskId);
    return row && asOf(row, eventsOf.get(change.taskId) ?? [], change);
  });
};

/** A task as of a change, from what it is now and its events. */
const asOf = (row: TaskRow, events: readonly TaskEvent[], change: Change): TaskSummary => {
  const first: TaskSummary = {
    ...row,
    seq: 0,
    attempt: 0,
    workerId: null,
    error: null,
    startedAt: null,
    finishedAt: null,
    cancelRequestedAt: null,
    cancelReason: null,
  };
  const before = events
    .filter(({ seq }) => seq < change.seq)
    .reduce((task, event) => applyChange(task, toChange(row, event)), first);
  return applyChange(before, change);
};

const toChange = (row: TaskRow, event: TaskEvent): Change => ({
  ownerId: event.ownerId,
  position: Number(event.position),
  taskId: event.taskId,
  seq: event.seq,
  status: event.status,
  attempt: event.attempt,
  queue: row.queue,
  type: row.type,
  workerId: event.workerId ?? '',
  atMs: event.at.getTime(),
  runAtMs: undefined,
  data: event.detail === null ? '' : JSON.stringify(event.detail),
});
