import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { type Use, writeUses } from './credential-store.ts';
import type { Principal } from './principal.ts';

/** How exact `lastUsedAt` and `lastSeenAt` are, in ms: credentials in constant use cost one write a minute. */
const PRECISION_MS = 60_000;
/** How long uses are collected before they are written together, in ms. */
const FLUSH_MS = 1_000;
const MAX_REMEMBERED = 10_000;

/** Keeps when API keys and logins were last used, and users last there, without a write per request. */
export class CredentialUsage {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #noted = new LRUCache<string, true>({ max: MAX_REMEMBERED, ttl: PRECISION_MS });
  #waiting = new Map<string, Use>();
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Notes that somebody is at work with their credentials. Who shows a watch token that was made with them is not. */
  note({ userId, apiKeyId, sessionId, watched }: Principal): void {
    const id = apiKeyId ?? sessionId ?? userId;
    if (watched || this.#noted.has(id)) return;
    this.#noted.set(id, true);
    this.#waiting.set(id, { userId, at: new Date() });
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
      await writeUses(this.#database, uses);
    } catch (error) {
      this.#logger.warn({ err: error, uses: uses.size }, 'could not note when credentials were used');
      for (const id of uses.keys()) this.#noted.delete(id);
    }
  }
}
