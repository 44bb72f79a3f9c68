import type { Logger } from 'pino';
import type { BrokerStaleError } from '../broker/define-function.ts';
import { endedParentsChannel } from '../broker/keys.ts';
import type { Broker, Shard } from '../broker/lanes.ts';
import type { Database, DatabaseSession } from '../database/client.ts';
import { tasksWritten, transitionsWritten } from '../diagnostics.ts';
import { newId } from '../ids.ts';
import { isDatabaseOutage } from '../outages.ts';
import type { Change } from '../realtime/change.ts';
import {
  announceTasks,
  type Enqueueable,
  enqueueBatch,
  firstChange,
  groupByShard,
  type Move,
  movedChange,
  type ShardBatch,
} from './enqueue-tasks.ts';
import type { Epochs, KnownEpochs } from './epochs.ts';
import type { NewTask } from './new-task.ts';
import { appendMoves } from './requeue-store.ts';
import { type DoneOutboxRow, deleteOutbox, findEpochOf, insertTasks, placesByOwner } from './task-store.ts';

/** Tasks in one statement; larger groups of one caller stay whole. Batches beyond about 500 gain nothing more. */
const MAX_BATCH = 1_000;
/** Statements under way at once: while one waits for its commit, a large next one is being worked on. */
const MAX_STATEMENTS = 2;
/**
 * So many tasks wait when a second statement is worth its cost. Fewer are better off in the one after this: with 100 callers of
 * one task each, `createTask` went an eighth faster so.
 */
const LARGE = 250;
/** A statement that takes longer is held up by something, and must not hold up the others, in ms. It takes 1 to 5. */
const SLOW_MS = 20;
/** Enqueues under way at once. Without a bound a Redis that hangs would let them pile up. */
const MAX_ENQUEUES = 16;
/** For how long outbox rows are collected that one statement deletes, in ms: in the batches' own, it cost each of them 50 µs. */
const OUTBOX_INTERVAL_MS = 100;

interface Group {
  tasks: NewTask[];
  resolve: (at: Date) => void;
  reject: (error: unknown) => void;
}

interface Statement {
  /** As `performance.now()`. */
  startedAt: number;
}

/**
 * Writes new tasks: callers that arrive together share one statement and one commit, and then one enqueue.
 *
 * A thousand callers at once cost a handful of statements; a single caller waits for nobody else.
 */
export class TaskWriter {
  readonly #database: Database;
  readonly #broker: Broker;
  readonly #epochs: Epochs;
  readonly #logger: Logger;
  readonly #waiting: Group[] = [];
  readonly #enqueues = new Set<Promise<void>>();
  readonly #underWay = new Set<Statement>();
  #waitingTasks = 0;
  #slowTimer: NodeJS.Timeout | undefined;
  #doneOutbox: DoneOutboxRow[] = [];
  #outboxTimer: NodeJS.Timeout | undefined;

  constructor(database: Database, broker: Broker, epochs: Epochs, logger: Logger) {
    this.#database = database;
    this.#broker = broker;
    this.#epochs = epochs;
    this.#logger = logger;
  }

  /**
   * Writes tasks, all or none, together with whatever else is waiting.
   *
   * @returns when they were written: after the commit, and before Redis has them
   * @throws what Prisma throws; then nothing was written
   */
  write(tasks: NewTask[]): Promise<Date> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ tasks, resolve, reject });
      this.#waitingTasks += tasks.length;
      void this.#work();
    });
  }

  /** What `writeWithin` must be given; to be taken before its transaction begins. */
  knownEpochs(): KnownEpochs {
    return this.#epochs.snapshot();
  }

  /**
   * Writes tasks inside the caller's transaction.
   *
   * @param epochs as they were known before the transaction began, whose beginning dates the tasks
   * @returns when they were written, and what the caller must call after its commit
   */
  async writeWithin(
    session: DatabaseSession,
    tasks: readonly NewTask[],
    epochs: KnownEpochs,
  ): Promise<{ at: Date; afterCommit: () => void }> {
    const batches = groupByShard(this.#broker, tasks.filter(isForBroker), (shard) => epochs.get(shard.id));
    const outbox = batches.map(toOutboxRow);
    const startedAt = performance.now();
    const { feeds, at } = await insertTasks(session, tasks, outbox);
    if (tasksWritten.hasSubscribers)
      tasksWritten.publish({ tasks: tasks.length, durationMs: performance.now() - startedAt });
    const bases = new Map(feeds.map(({ ownerId, base }) => [ownerId, base]));
    const { places } = placesByOwner(tasks);
    const toChange = (task: NewTask, i: number): Change =>
      firstChange(task, (bases.get(task.ownerId) ?? 0) + (places[i] ?? 0), at);
    const rowIds = outbox.map(({ id }) => [id]);
    return { at, afterCommit: () => this.#handOver(tasks.map(toChange), batches, rowIds) };
  }

  /**
   * Records moves whose tasks were written in the caller's transaction, and tells subscribers.
   *
   * @param tasks those of them that the broker is to be given
   * @returns what the caller must call after its commit
   */
  async moveWithin(
    session: DatabaseSession,
    moves: readonly Move[],
    tasks: readonly (Enqueueable & { seq: number })[],
    epochs: KnownEpochs,
  ): Promise<() => void> {
    const batches = groupByShard(this.#broker, tasks, (shard) => epochs.get(shard.id));
    const outbox = batches.map((batch) =>
      batch.tasks.map(({ id, seq = 1 }) => ({ id: newId(), shardId: batch.shard.id, taskId: id, seq })),
    );
    const { bases, at } = await appendMoves(session, moves, outbox.flat());
    const { places } = placesByOwner(moves);
    const changes = moves.map((move, i) => movedChange(move, (bases.get(move.ownerId) ?? 0) + (places[i] ?? 0), at));
    const rowIds = outbox.map((rows) => rows.map(({ id }) => id));
    return () => this.#handOver(changes, batches, rowIds);
  }

  /** Tells the managers that tasks have ended which others wait for. They look by themselves, too, each second. */
  announceEndedParents(): void {
    const { high, prefix } = this.#broker;
    high.redis.publish(endedParentsChannel(prefix), '').catch((error) => {
      this.#logger.debug({ err: error }, 'could not wake the managers');
    });
  }

  /** Waits until Redis has, or has refused, what was written. */
  async close(): Promise<void> {
    clearTimeout(this.#outboxTimer);
    clearTimeout(this.#slowTimer);
    await Promise.all(this.#enqueues);
    await this.#deleteDoneOutbox();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0 && this.#underWay.size < MAX_STATEMENTS && this.#isWorthAnother()) {
      const statement: Statement = { startedAt: performance.now() };
      this.#underWay.add(statement);
      // What the callers of this tick add goes along.
      await undefined;
      if (this.#enqueues.size >= MAX_ENQUEUES) await Promise.race(this.#enqueues);
      await this.#writeGroups(this.#takeGroups());
      this.#underWay.delete(statement);
    }
    // Whoever waits now goes with the statement after the one that is under way, unless that is slow.
    if (this.#waiting.length === 0) return;
    this.#slowTimer ??= setTimeout(() => {
      this.#slowTimer = undefined;
      void this.#work();
    }, SLOW_MS).unref();
  }

  /** Whether a statement is to begin now, beside those that are under way. */
  #isWorthAnother(): boolean {
    if (this.#underWay.size === 0 || this.#waitingTasks >= LARGE) return true;
    const oldest = Math.min(...[...this.#underWay].map(({ startedAt }) => startedAt));
    return performance.now() - oldest >= SLOW_MS;
  }

  #takeGroups(): Group[] {
    let size = 0;
    let end = 0;
    for (const { tasks } of this.#waiting) {
      if (end > 0 && size + tasks.length > MAX_BATCH) break;
      size += tasks.length;
      end++;
    }
    this.#waitingTasks -= size;
    return this.#waiting.splice(0, end);
  }

  async #writeGroups(groups: Group[]): Promise<void> {
    if (groups.length === 0) return;
    try {
      const { at, afterCommit } = await this.writeWithin(
        this.#database,
        groups.flatMap(({ tasks }) => tasks),
        this.knownEpochs(),
      );
      afterCommit();
      for (const { resolve } of groups) resolve(at);
    } catch (error) {
      if (isDatabaseOutage(error)) this.#rejectAll(groups, error);
      else if (groups.length === 1) groups[0]?.reject(error);
      // One caller's fault must not be the others': each is tried alone.
      else for (const group of groups) await this.#writeGroups([group]);
    }
  }

  /** Those who still wait would wait as long for the same answer, one batch after the other. */
  #rejectAll(groups: readonly Group[], error: unknown): void {
    this.#waitingTasks = 0;
    for (const { reject } of [...groups, ...this.#waiting.splice(0)]) reject(error);
  }

  /** @param outboxIds of each batch: deleted once Redis has its tasks */
  #handOver(changes: readonly Change[], batches: readonly ShardBatch[], outboxIds: readonly string[][]): void {
    if (transitionsWritten.hasSubscribers) transitionsWritten.publish(changes);
    // Announced first, on the same connection: no worker can be faster than this message.
    const announced = announceTasks(this.#broker, changes, this.#logger);
    const enqueued = batches.map(async (batch, i) => {
      const renew = (refusal?: BrokerStaleError) => this.#renew(batch.shard, outboxIds[i]?.[0], refusal);
      const epoch = await enqueueBatch(batch, renew, this.#logger);
      if (epoch !== undefined) for (const id of outboxIds[i] ?? []) this.#doneOutbox.push({ id, epoch });
    });
    const all: Promise<void> = Promise.all([announced, ...enqueued]).then(() => {
      this.#enqueues.delete(all);
      this.#outboxTimer ??= setTimeout(() => void this.#deleteDoneOutbox(), OUTBOX_INTERVAL_MS).unref();
    });
    this.#enqueues.add(all);
  }

  /**
   * An epoch with which Redis may be given a batch that it refused, or that was written while none was known: a shard that is
   * rebuilt jumps to an epoch that nobody knows yet. One row of a batch speaks for all, since they share a transaction.
   */
  async #renew(
    shard: Shard,
    outboxId: string | undefined,
    refusal: BrokerStaleError | undefined,
  ): Promise<string | undefined> {
    if (refusal) this.#epochs.learn(shard, refusal.epoch);
    // Without one in Redis the shard waits to be rebuilt, and PostgreSQL is spared the question.
    else if ((await this.#epochs.readNow(shard)) === undefined) return undefined;
    if (outboxId === undefined) return undefined;
    try {
      return await findEpochOf(this.#database, outboxId);
    } catch (error) {
      this.#logger.debug({ err: error, shard: shard.id }, 'could not ask for the epoch; the reconciler will enqueue');
      return undefined;
    }
  }

  async #deleteDoneOutbox(): Promise<void> {
    this.#outboxTimer = undefined;
    const done = this.#doneOutbox.splice(0);
    if (done.length === 0) return;
    try {
      await deleteOutbox(this.#database, done);
    } catch (error) {
      this.#logger.warn({ err: error }, 'could not delete outbox rows; the reconciler will look at them');
    }
  }
}

/** A task that waits for others is nothing for the broker yet. */
const isForBroker = ({ status }: NewTask): boolean => status !== 'WAITING';

const toOutboxRow = ({ shard, tasks }: ShardBatch) => {
  let minId = tasks[0]?.id ?? '';
  let maxId = minId;
  for (const { id } of tasks) {
    if (id < minId) minId = id;
    if (id > maxId) maxId = id;
  }
  return { id: newId(), shardId: shard.id, minId, maxId };
};
