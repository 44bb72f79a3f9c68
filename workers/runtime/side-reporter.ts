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

/** What one shard has not been told yet. */
interface Pending {
  progress: Map<Attempt, Progress>;
  lines: Line[];
}

/**
 * Tells the broker what running handlers say of themselves, many in one call. What was said before an attempt ended is sent
 * before its end, on the same connection. While Redis is away, progress and lines of attempts that end meanwhile are lost.
 */
export class SideReporter {
  readonly #logger: Logger;
  readonly #pending = new Map<Shard, Pending>();
  readonly #lineCounts = new WeakMap<Attempt, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param percent is brought into 0 to 100 */
  progress(attempt: Attempt, percent: number, detail: unknown): void {
    if (attempt.isSettled || Number.isNaN(percent)) return;
    this.#of(attempt.shard).progress.set(attempt, {
      percent: Math.min(100, Math.max(0, percent)),
      detail: encodeDetail(detail),
    });
  }

  log(attempt: Attempt, level: LogLevel, message: string, fields: Record<string, unknown> | undefined): void {
    const number = (this.#lineCounts.get(attempt) ?? 0) + 1;
    if (attempt.isSettled || number > MAX_LINES + 1) return;
    this.#lineCounts.set(attempt, number);
    const record =
      number > MAX_LINES
        ? encodeRecord({ level: 'warn', message: `More than ${MAX_LINES} lines: the rest is not kept.` })
        : encodeRecord({ level, message, fields });
    this.#of(attempt.shard).lines.push({ attempt, number, record });
  }

  /** Sends what waits for this shard. What follows on its connection comes after it. */
  flush(shard: Shard): void {
    const pending = this.#pending.get(shard);
    if (!pending) return;
    this.#pending.delete(shard);
    for (let start = 0; start < pending.lines.length; start += MAX_BATCH) {
      this.#sendLines(shard, pending.lines.slice(start, start + MAX_BATCH));
    }
    if (pending.progress.size > 0) this.#sendProgress(shard, pending.progress);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const shard of [...this.#pending.keys()]) this.flush(shard);
  }

  #of(shard: Shard): Pending {
    let pending = this.#pending.get(shard);
    if (!pending) {
      pending = { progress: new Map(), lines: [] };
      this.#pending.set(shard, pending);
      this.#timer ??= setTimeout(() => this.#flushAll(), FLUSH_MS);
    }
    return pending;
  }

  #flushAll(): void {
    this.#timer = undefined;
    for (const shard of [...this.#pending.keys()]) this.flush(shard);
  }

  #sendProgress(shard: Shard, progress: ReadonlyMap<Attempt, Progress>): void {
    const items = [...progress].map(([{ claim }, { percent, detail }]) => ({
      id: claim.id,
      token: claim.token,
      percent,
      detail,
    }));
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
