import type { Logger } from 'pino';
import { missing, pause, restore, setEpoch } from '../../src/broker/calls.ts';
import { encodeHead } from '../../src/broker/event-stream.ts';
import { eventsKey, metaKey, pausedKey, survivesRebuild } from '../../src/broker/keys.ts';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import { readRunId } from '../../src/broker/run-id.ts';
import { EPOCH_JUMP } from '../../src/database/after-restore.ts';
import type { Database } from '../../src/database/client.ts';
import { findPausedQueues } from '../../src/queues/queue-store.ts';
import { sleep } from '../../src/sleep.ts';
import { bodyOf, inChunks } from '../../src/tasks/enqueue-tasks.ts';
import { epochRefreshMs } from '../../src/tasks/epochs.ts';
import {
  beginEpoch,
  deleteOutboxRows,
  findShutOut,
  findUntouched,
  hasForgotten,
  loadUntouched,
  type OutboxEntry,
  readEpoch,
  type UnfinishedTask,
  unfinishedTasks,
} from './reconcile-store.ts';
import { type Term, TermOverError } from './record-store.ts';
import type { Recorder } from './recorder.ts';

/** Tasks in one call: a larger one would block Redis for everybody else for too long. */
const CHUNK = 500;
const SCAN_COUNT = 1_000;
/** For how long forgotten submissions are looked for more often after a rebuilding: longer than most transactions, in ms. */
const SETTLING_MS = 20_000;

/**
 * Is Redis' epoch one that this PostgreSQL has given out? One that is ahead was given out by a PostgreSQL that was lost since, one
 * that is far behind before a backup was restored.
 */
const isOfThisHistory = (epochInRedis: string | undefined, epoch: bigint): boolean => {
  const behind = epoch - BigInt(epochInRedis ?? 0);
  return behind >= 0n && behind < EPOCH_JUMP;
};

/**
 * Keeps a shard in Redis in step with PostgreSQL, which is right where they differ.
 *
 * Two ways lead there. A shard that lost data (its meta key is gone, or its Redis was restarted and may have lost its
 * last second) is emptied and rebuilt. A submission whose submitter died before Redis had it is found by its outbox row.
 * docs/decisions/reconciling.md says why nothing is ever run again that has ended.
 */
export class Reconciler {
  readonly #broker: Broker;
  readonly #shard: Shard;
  readonly #database: Database;
  readonly #term: Term;
  readonly #recorder: Recorder;
  readonly #logger: Logger;

  constructor(parts: {
    broker: Broker;
    shard: Shard;
    database: Database;
    term: Term;
    recorder: Recorder;
    logger: Logger;
  }) {
    this.#broker = parts.broker;
    this.#shard = parts.shard;
    this.#database = parts.database;
    this.#term = parts.term;
    this.#recorder = parts.recorder;
    this.#logger = parts.logger;
  }

  /**
   * Begins the term in Redis. A shard that lost data is emptied first; afterwards `rebuild` must put its tasks back.
   *
   * @returns whether it must be rebuilt
   * @throws TermOverError; what PostgreSQL or Redis throw
   */
  async begin(signal: AbortSignal): Promise<boolean> {
    const { redis } = this.#shard;
    const meta = await redis.hgetall(metaKey(this.#shard.tag));
    const runId = await readRunId(this.#shard.redis);
    const isIntact =
      meta.state === 'ready' &&
      meta.runId === runId &&
      isOfThisHistory(meta.epoch, await readEpoch(this.#database, this.#shard.id));
    if (!isIntact) {
      this.#logger.warn({ meta, runId }, 'this shard lost data, or may have; rebuilding it from PostgreSQL');
      // Without its meta key nothing changes in the shard any more, so its stream can be drained and the rest deleted.
      await redis.del(metaKey(this.#shard.tag));
      await this.#recorder.drain(signal);
      await this.#wipe();
    }
    await this.#beginEpoch(isIntact ? 1 : 2, isIntact ? 'ready' : 'rebuilding', runId);
    await this.#syncPausedQueues();
    return !isIntact;
  }

  /** Puts back all unfinished tasks that were written before this epoch. Later ones come by their submitters. */
  async rebuild(signal: AbortSignal): Promise<void> {
    let restored = 0;
    const priorities = this.#shard.lane === this.#broker.high ? ['HIGH'] : ['NORMAL', 'LOW'];
    const { epoch, runId } = await this.#shard.redis.hgetall(metaKey(this.#shard.tag));
    if (epoch === undefined || runId === undefined) throw new TermOverError('the shard lost its data again');
    for await (const tasks of unfinishedTasks(this.#database, this.#shard.id, priorities)) {
      signal.throwIfAborted();
      restored += await this.#restore(epoch, tasks);
    }
    await setEpoch(this.#shard, { epoch, state: 'ready', runId });
    this.#logger.info({ restored }, 'rebuilt the shard');
  }

  /**
   * Looks for forgotten submissions every so often, until the signal aborts.
   *
   * @param afterRebuild look more often at first: those who were about to commit when the shard was rebuilt, and whom it has
   *   shut out, left tasks that nobody else enqueues
   */
  async run(intervalMs: number, signal: AbortSignal, { afterRebuild = false } = {}): Promise<void> {
    // No more often than that: submitters read the epoch twice meanwhile, and each pass that finds something begins one.
    const soonMs = 2 * epochRefreshMs(intervalMs);
    const soonUntil = afterRebuild ? performance.now() + SETTLING_MS : 0;
    while (!signal.aborted) {
      const waitMs = performance.now() < soonUntil ? soonMs : intervalMs;
      try {
        await this.runOnce(waitMs, signal);
      } catch (error) {
        if (error instanceof TermOverError) throw error;
        if (!signal.aborted) this.#logger.warn({ err: error }, 'could not reconcile; will try again');
      }
      await sleep(waitMs, signal);
    }
  }

  /**
   * Enqueues what was committed longer than `olderThanMs` ago and never reached Redis. It takes two calls, since each
   * begins an epoch and a submitter is shut out after two; one, where the epoch before began with a rebuilding.
   *
   * @returns how many tasks were enqueued
   */
  async runOnce(olderThanMs: number, signal: AbortSignal): Promise<number> {
    await this.#syncPausedQueues();
    if (!(await hasForgotten(this.#database, this.#shard.id, olderThanMs))) return 0;
    const epoch = await this.#beginEpoch(1, 'ready', await readRunId(this.#shard.redis));
    let restored = 0;
    for (;;) {
      const rows = await findShutOut(this.#database, this.#shard.id, olderThanMs);
      if (rows.length === 0) break;
      restored += await this.#putBack(String(epoch), rows, signal);
    }
    if (restored > 0) this.#logger.warn({ restored }, 'enqueued tasks whose submitter could not');
    return restored;
  }

  /** Enqueues those tasks of shut-out batches that never moved and that Redis does not have, and forgets the batches. */
  async #putBack(epoch: string, rows: readonly OutboxEntry[], signal: AbortSignal): Promise<number> {
    const absent = await this.#absent(rows);
    // What ended before now is in the stream, or recorded: once the stream is recorded up to here, it is known.
    const [last] = await this.#shard.redis.xrevrange(eventsKey(this.#shard.tag), '+', '-', 'COUNT', 1);
    if (last) await this.#recorder.recordedUpTo(last[0], signal);
    signal.throwIfAborted();
    let restored = 0;
    for (let start = 0; start < absent.length; start += CHUNK) {
      const chunk = await loadUntouched(this.#database, absent.slice(start, start + CHUNK));
      restored += await this.#restore(epoch, chunk);
    }
    await deleteOutboxRows(this.#database, rows);
    return restored;
  }

  /** Tasks of these batches that PostgreSQL has untouched and Redis does not have. */
  async #absent(rows: readonly OutboxEntry[]): Promise<{ id: string; seq: number }[]> {
    const absent: { id: string; seq: number }[] = [];
    for (const row of rows) {
      const tasks = await findUntouched(this.#database, this.#shard.id, row);
      const ours = tasks.filter(({ id, priority }) => this.#broker.shardFor(priority, id) === this.#shard);
      for (let start = 0; start < ours.length; start += CHUNK) {
        const items = ours.slice(start, start + CHUNK).map(({ id }) => ({ id }));
        const missingIds = await missing(this.#shard, {}, items);
        absent.push(...missingIds.map((id) => ({ id, seq: row.seq })));
      }
    }
    return absent;
  }

  async #beginEpoch(by: 1 | 2, state: 'ready' | 'rebuilding', runId: string): Promise<bigint> {
    const epoch = await beginEpoch(this.#database, this.#term.shardId, this.#term.term, by);
    if (epoch === undefined || !(await setEpoch(this.#shard, { epoch: String(epoch), state, runId }))) {
      throw new TermOverError(`another manager leads shard ${this.#shard.id}`);
    }
    return epoch;
  }

  async #restore(epoch: string, tasks: readonly UnfinishedTask[]): Promise<number> {
    const ours = tasks.filter(({ id, priority }) => this.#broker.shardFor(priority, id) === this.#shard);
    let restored = 0;
    for (const chunk of inChunks(ours)) {
      const items = chunk.map((task) => ({
        id: task.id,
        status: task.status,
        seq: task.seq,
        attempt: task.attempt,
        runAt: task.status === 'SCHEDULED' ? (task.runAt?.getTime() ?? 0) : '',
        head: encodeHead(task),
        payload: bodyOf(task),
        cancelReason: task.cancelReason ?? '',
      }));
      restored += await restore(this.#shard, { epoch }, items);
    }
    return restored;
  }

  /** A queue may have been paused or resumed while this shard's Redis was away. */
  async #syncPausedQueues(): Promise<void> {
    const { tag, redis } = this.#shard;
    const wanted = await findPausedQueues(this.#database);
    const present = new Set(await redis.smembers(pausedKey(tag)));
    const changed = [...wanted.symmetricDifference(present)];
    if (changed.length === 0) return;
    await pause(
      this.#shard,
      {},
      changed.map((queue) => ({ queue, paused: wanted.has(queue) ? '1' : '0' })),
    );
  }

  /** Deletes the shard's keys, but for who leads it and who works for it. */
  async #wipe(): Promise<void> {
    const { tag, redis } = this.#shard;
    let cursor = '0';
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${tag}:*`, 'COUNT', SCAN_COUNT);
      cursor = next;
      const doomed = keys.filter((key) => !survivesRebuild(tag, key));
      if (doomed.length > 0) await redis.unlink(...doomed);
    } while (cursor !== '0');
  }
}
