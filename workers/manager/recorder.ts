import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { decodeEntry, type EntryId, type StreamEntry, type StreamedTransition } from '../../src/broker/event-stream.ts';
import { eventsKey } from '../../src/broker/keys.ts';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import { type Database, type Prisma, sqlState } from '../../src/database/client.ts';
import { batchRecorded } from '../../src/diagnostics.ts';
import type { Change } from '../../src/realtime/change.ts';
import { publishChanges, publisherOf } from '../../src/realtime/publish.ts';
import { inTime } from './in-time.ts';
import {
  findPositions,
  type Recorded,
  recordAll,
  recordingOf,
  recordWhatContinues,
  type Term,
  TermOverError,
} from './record-store.ts';
import { SideRecorder } from './side-recorder.ts';

/** Entries in one read, at most; one entry holds what one call of a worker changed. */
const MAX_ENTRIES = 200;
/** Text that one read should hold at most: entries with large results are read a few at a time. */
const MAX_READ_BYTES = 8 * 1024 * 1024;
/**
 * Transitions in one statement. In a backlog, a large batch holds both the beginning and the end of most of its tasks, which
 * are then updated once instead of twice: 23 k tasks a second with 1,000, 27 k with 2,000, 28 k with 4,000.
 */
const MAX_BATCH = 4_000;
/** How long a read waits for the first entry, in ms. Only bounds how late the end of the term is noticed. */
const BLOCK_MS = 500;

/** How long a read may take at all, in ms. */
const MAX_READ_MS = 10_000;
/** How long it waits while PostgreSQL is away, in ms. */
const RETRY_MS = 500;

/** SQLSTATEs of a batch that PostgreSQL could take in part: it does not continue, is there already, or is no (sane) JSON. */
const SORT_OUT = new Set(['22012', '23505', '22P02', '22021', '22P05', '54001']);

/**
 * Reads a shard's event stream, writes it to PostgreSQL in batches, then publishes and drops what was written.
 *
 * An entry leaves the stream only after its transitions were committed and published. A leader that dies in between
 * leaves it to the next one, which finds it recorded and publishes it again; subscribers drop what they have seen.
 */
export class Recorder {
  readonly #broker: Broker;
  readonly #shard: Shard;
  readonly #database: Database;
  readonly #term: Term;
  readonly #logger: Logger;
  readonly #reader: Redis;
  readonly #side: SideRecorder;
  #lastRead: EntryId = '0-0';
  /** Of the last read, on average: bytes and transitions of an entry. */
  #entryBytes = 1_000;
  #entrySize = 100;
  /** The last batch that was sent to PostgreSQL. */
  #written: Promise<unknown> = Promise.resolve();
  /** The publishing of that batch, and of the one before it. */
  #publishing: Promise<void> = Promise.resolve();
  #published: Promise<void> = Promise.resolve();
  #recorded: EntryId = '0-0';
  readonly #onRecorded: (() => void)[] = [];
  readonly #onEndedParents: () => void;

  /**
   * @param reader a connection that only this recorder blocks in; the recorder closes it
   * @param onEndedParents called when tasks have ended that others wait for. Default: nobody is told
   */
  constructor(
    broker: Broker,
    shard: Shard,
    database: Database,
    term: Term,
    reader: Redis,
    logger: Logger,
    onEndedParents: () => void = () => {},
  ) {
    this.#broker = broker;
    this.#shard = shard;
    this.#database = database;
    this.#term = term;
    this.#reader = reader;
    this.#logger = logger;
    this.#side = new SideRecorder(broker, shard, database);
    this.#onEndedParents = onEndedParents;
  }

  /**
   * Records until the signal aborts. The next batch is read while one is being written.
   *
   * @throws TermOverError; what PostgreSQL or Redis throw: the caller begins anew
   */
  async run(signal: AbortSignal): Promise<void> {
    let reading = this.#readAhead(signal);
    while (!signal.aborted) {
      const entries = await reading;
      reading = this.#readAhead(signal);
      await this.#record(entries, signal);
      // Without a next batch, nobody else would meet a failure to publish the last one.
      if (entries.length === 0) await this.#publishing;
    }
    await this.#publishing;
  }

  /** Records what the stream holds now, until it is empty. For a shard in which nothing new can happen. */
  async drain(signal: AbortSignal): Promise<void> {
    for (;;) {
      const entries = await this.#read(undefined, signal);
      if (entries.length === 0) break;
      await this.#record(entries, signal);
    }
    await this.#publishing;
  }

  /** Waits until everything up to this entry is recorded. */
  async recordedUpTo(id: EntryId, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && isBefore(this.#recorded, id)) {
      await new Promise<void>((resolve) => this.#onRecorded.push(resolve));
    }
  }

  close(): void {
    this.#reader.disconnect();
    for (const resolve of this.#onRecorded.splice(0)) resolve();
  }

  /** Its failure is met by whoever awaits it; nobody does when the term ends before. */
  #readAhead(signal: AbortSignal): Promise<StreamEntry[]> {
    const reading = this.#read(BLOCK_MS, signal);
    reading.catch(() => undefined);
    return reading;
  }

  async #read(blockMs: number | undefined, signal: AbortSignal): Promise<StreamEntry[]> {
    const fitting = Math.min(MAX_READ_BYTES / this.#entryBytes, MAX_BATCH / this.#entrySize);
    const count = Math.max(1, Math.min(MAX_ENTRIES, Math.floor(fitting)));
    const key = eventsKey(this.#shard.tag);
    const read =
      blockMs === undefined
        ? this.#reader.xread('COUNT', count, 'STREAMS', key, this.#lastRead)
        : this.#reader.xread('COUNT', count, 'BLOCK', blockMs, 'STREAMS', key, this.#lastRead);
    const reply = await inTime(read, MAX_READ_MS, signal);
    const raw = reply?.[0]?.[1] ?? [];
    const bytes = raw.reduce((sum, [, fields]) => sum + (fields[3]?.length ?? 0), 0);
    const entries = raw.map(([id, fields]) => decodeEntry(id, fields));
    const transitions = entries.reduce((sum, entry) => sum + entry.transitions.length, 0);
    if (raw.length > 0) {
      this.#entryBytes = Math.max(1, bytes / raw.length);
      this.#entrySize = Math.max(1, transitions / raw.length);
    }
    this.#lastRead = raw.at(-1)?.[0] ?? this.#lastRead;
    return entries;
  }

  /** Ends when the last batch is on its way: it is written while the caller reads on. */
  async #record(entries: readonly StreamEntry[], signal: AbortSignal): Promise<void> {
    await this.#untilWritten(() => this.#side.record(entries), signal);
    for (const batch of toBatches(entries)) {
      const statement = batch.transitions.length > 0 ? recordingOf(this.#term, batch.transitions) : undefined;
      // One batch is written and one published at a time, and no more: a failure must be met soon.
      await this.#written;
      await this.#published;
      this.#send(batch, statement, signal);
    }
    if (!this.#side.isDue) return;
    // Progress belongs to an attempt that must have begun.
    await this.#written;
    await this.#untilWritten(() => this.#side.flush(), signal);
  }

  #send(batch: Batch, statement: Prisma.Sql | undefined, signal: AbortSignal): void {
    const written = this.#untilWritten(() => this.#write(batch.transitions, statement), signal);
    const startedAt = performance.now();
    const before = this.#publishing;
    const publish = async (): Promise<void> => {
      const recorded = await written;
      const durationMs = performance.now() - startedAt;
      if (recorded.hasEndedParents) this.#onEndedParents();
      // PostgreSQL shall not idle meanwhile: the next statement goes out first.
      await nextTurn();
      if (batchRecorded.hasSubscribers) this.#tell(recorded, durationMs);
      await before;
      await this.#publish(recorded, batch.lastId);
    };
    this.#written = written;
    this.#published = before;
    this.#publishing = publish();
    // Met by the next await.
    this.#written.catch(() => undefined);
    this.#publishing.catch(() => undefined);
  }

  #tell({ changes, refused }: Recorded, durationMs: number): void {
    if (changes.length + refused.length === 0) return;
    batchRecorded.publish({ shardId: this.#shard.id, transitions: changes, refused: refused.length, durationMs });
  }

  /** While PostgreSQL is away the batch waits here, and later ones in the stream; the term goes on. */
  async #untilWritten<T>(write: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (error instanceof TermOverError || signal.aborted) throw error;
        this.#logger.warn({ err: error }, 'could not record; will try again');
        await delay(RETRY_MS, undefined, { signal });
      }
    }
  }

  async #write(transitions: readonly StreamedTransition[], statement: Prisma.Sql | undefined): Promise<Recorded> {
    if (!statement) return { changes: [], repeated: [], refused: [], hasEndedParents: false };
    try {
      return await recordAll(this.#database, this.#term, transitions, statement);
    } catch (error) {
      if (!SORT_OUT.has(sqlState(error) ?? '')) throw error;
    }
    const recorded = await recordWhatContinues(this.#database, this.#term, transitions);
    if (recorded.refused.length > 0) {
      const refused = recorded.refused.slice(0, 10).map(({ taskId, seq, status }) => ({ taskId, seq, status }));
      this.#logger.warn({ refused, count: recorded.refused.length }, 'dropped transitions that contradict PostgreSQL');
    }
    return recorded;
  }

  /** Only when subscribers were told may the entries be dropped. */
  async #publish(recorded: Recorded, lastId: EntryId): Promise<void> {
    const again: Change[] = recorded.repeated.length > 0 ? await findPositions(this.#database, recorded.repeated) : [];
    await publishChanges(this.#broker, publisherOf(this.#shard), [...again, ...recorded.changes]);
    await this.#shard.redis.xtrim(eventsKey(this.#shard.tag), 'MINID', after(lastId));
    this.#recorded = lastId;
    for (const resolve of this.#onRecorded.splice(0)) resolve();
  }
}

interface Batch {
  transitions: StreamedTransition[];
  lastId: EntryId;
}

/** Whole entries, about MAX_BATCH transitions each. */
const toBatches = (entries: readonly StreamEntry[]): Batch[] => {
  const batches: Batch[] = [];
  for (const { id, transitions } of entries) {
    const open = batches.at(-1);
    if (open && open.transitions.length + transitions.length <= MAX_BATCH) {
      open.transitions.push(...transitions);
      open.lastId = id;
    } else {
      batches.push({ transitions: [...transitions], lastId: id });
    }
  }
  return batches;
};

const partsOf = (id: EntryId): [number, number] => {
  const [ms, n] = id.split('-');
  return [Number(ms), Number(n)];
};

const isBefore = (a: EntryId, b: EntryId): boolean => {
  const [aMs, aN] = partsOf(a);
  const [bMs, bN] = partsOf(b);
  return aMs < bMs || (aMs === bMs && aN < bN);
};

const after = (id: EntryId): EntryId => {
  const [ms, n] = partsOf(id);
  return `${ms}-${n + 1}`;
};
