import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { writeLastUsed } from './api-key-store.ts';
import type { Principal } from './principal.ts';

/** How exact `lastUsedAt` is, in ms: a key in constant use costs one write a minute. */
const PRECISION_MS = 60_000;
/** How long uses are collected before they are written together, in ms. */
const FLUSH_MS = 1_000;
const MAX_REMEMBERED = 10_000;

/** Keeps `lastUsedAt` of API keys without a write per request. */
export class KeyUsage {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #noted = new LRUCache<string, true>({ max: MAX_REMEMBERED, ttl: PRECISION_MS });
  #waiting = new Map<string, Date>();
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Notes that somebody is at work with their key. Who shows a watch token that was made with one is not. */
  note({ apiKeyId, watched }: Principal): void {
    if (apiKeyId === undefined || watched || this.#noted.has(apiKeyId)) return;
    this.#noted.set(apiKeyId, true);
    this.#waiting.set(apiKeyId, new Date());
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Writes what was noted. It is no loss when that fails: the next use is noted again. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const uses = this.#waiting;
    if (uses.size === 0) return;
    this.#waiting = new Map();
    try {
      await writeLastUsed(this.#database, uses);
    } catch (error) {
      this.#logger.warn({ err: error, keys: uses.size }, 'could not note when API keys were used');
      for (const id of uses.keys()) this.#noted.delete(id);
    }
  }
}
