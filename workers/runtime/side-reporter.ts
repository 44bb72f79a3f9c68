import type { Logger } from 'pino';
import { keepLogs, reportProgress } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import type { Attempt } from './attempt.ts';
import type { LogLevel } from './define-task.ts';

/** Progress is coalesced: subscribers get ten values a second of a task at most. Log lines wait as long for company. */
const FLUSH_MS = 100;
/** Lines kept of one attempt; then one more says that the rest was dropped. */
const MAX_LINES = 1_000;
/** Of one record, as JSON; a longer message is cut, and fields that do not fit are left out. */
const MAX_RECORD_LENGTH = 8_000;
/** Of a detail beside progress, as JSON. functions/progress.lua has the same bound, for workers in other languages. */
const MAX_DETAIL_BYTES = 4_096;
/** Lines in one call. */
const MAX_BATCH = 500;

interface Progress {
  percent: number;
  detail: string;
}

interface Line {
  attempt: Attempt;
  number: number;
  record: string;
}

/** What the broker has not been told of an attempt yet. */
interface Unsaid {
  progress: Progress | undefined;
  lines: Line[];
}

/**
 * Tells the broker what running handlers say of themselves, many in one call. What was said before an attempt ended is sent
 * before its end, on the same connection. While Redis is away, progress and lines of attempts that end meanwhile are lost.
 */
export class SideReporter {
  readonly #logger: Logger;
  readonly #unsaid = new Map<Shard, Map<Attempt, Unsaid>>();
  readonly #lineCounts = new WeakMap<Attempt, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param percent is brought into 0 to 100 */
  progress(attempt: Attempt, percent: number, detail: unknown): void {
    if (attempt.isSettled || Number.isNaN(percent)) return;
    this.#of(attempt).progress = { percent: Math.min(100, Math.max(0, percent)), detail: encodeDetail(detail) };
  }

  log(attempt: Attempt, level: LogLevel, message: string, fields: Record<string, unknown> | undefined): void {
    const number = (this.#lineCounts.get(attempt) ?? 0) + 1;
    if (attempt.isSettled || number > MAX_LINES + 1) return;
    this.#lineCounts.set(attempt, number);
    const record =
      number > MAX_LINES
        ? encodeRecord({ level: 'warn', message: `More than ${MAX_LINES} lines: the rest is not kept.` })
        : encodeRecord({ level, message, fields });
    this.#of(attempt).lines.push({ attempt, number, record });
  }

  /**
   * Sends what is unsaid of an attempt that has ended. What follows on its shard's connection comes after it. That of others
   * waits on: on a busy worker, each end would send their progress, too.
   */
  flush(attempt: Attempt): void {
    const attempts = this.#unsaid.get(attempt.shard);
    const unsaid = attempts?.get(attempt);
    if (!attempts || !unsaid) return;
    attempts.delete(attempt);
    this.#send(attempt.shard, [[attempt, unsaid]]);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#flushAll();
  }

  #of(attempt: Attempt): Unsaid {
    let attempts = this.#unsaid.get(attempt.shard);
    if (!attempts) {
      attempts = new Map();
      this.#unsaid.set(attempt.shard, attempts);
    }
    let unsaid = attempts.get(attempt);
    if (!unsaid) {
      unsaid = { progress: undefined, lines: [] };
      attempts.set(attempt, unsaid);
      this.#timer ??= setTimeout(() => this.#flushAll(), FLUSH_MS);
    }
    return unsaid;
  }

  #flushAll(): void {
    this.#timer = undefined;
    for (const [shard, attempts] of this.#unsaid) {
      const entries = [...attempts];
      attempts.clear();
      this.#send(shard, entries);
    }
  }

  #send(shard: Shard, entries: readonly [Attempt, Unsaid][]): void {
    const lines = entries.flatMap(([, unsaid]) => unsaid.lines);
    for (let start = 0; start < lines.length; start += MAX_BATCH) {
      this.#sendLines(shard, lines.slice(start, start + MAX_BATCH));
    }
    const items = entries.flatMap(([{ claim }, { progress }]) =>
      progress ? [{ id: claim.id, token: claim.token, ...progress }] : [],
    );
    if (items.length === 0) return;
    reportProgress(shard, {}, items).catch((err) => this.#logger.debug({ err }, 'progress was not taken'));
  }

  #sendLines(shard: Shard, lines: readonly Line[]): void {
    const items = lines.map(({ attempt: { claim }, number, record }) => ({
      id: claim.id,
      token: claim.token,
      number,
      record,
    }));
    keepLogs(shard, {}, items).catch((err) =>
      this.#logger.warn({ err, lines: lines.length }, 'log lines were not taken'),
    );
  }
}

const encodeDetail = (detail: unknown): string => {
  const text = toJson(detail);
  if (text === undefined) return '';
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_DETAIL_BYTES) return `{"detail":${text}}`;
  return JSON.stringify({ detail: { error: 'DETAIL_TOO_LARGE', bytes, limit: MAX_DETAIL_BYTES } });
};

const encodeRecord = (record: Record<string, unknown>): string => {
  const text = toJson(record);
  if (text !== undefined && text.length <= MAX_RECORD_LENGTH) return text;
  const message = String(record.message ?? '').slice(0, MAX_RECORD_LENGTH / 2);
  return JSON.stringify({ level: record.level ?? 'info', message, isCut: true });
};

const toJson = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
};
