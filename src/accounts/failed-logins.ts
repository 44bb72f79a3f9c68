import type { Database } from '../database/client.ts';
import { countAuditEntry, countedId } from './audit-store.ts';

const MINUTE_MS = 60_000;
/** Different entries that one process begins in a minute: about 200 kB. Further failures are counted together in one. */
const MAX_ENTRIES = 1_000;

/**
 * Writes failed logins: one entry for each account, address and minute, with a count, so that an attack does not fill the
 * disk. What was typed for an account that does not exist is not kept: now and then it is a password.
 */
export class FailedLogins {
  readonly #database: Database;
  #minuteMs = 0;
  readonly #ids = new Set<string>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** @param userId the account whose password was wrong; null for none that exists */
  async note(userId: string | null, address: string | undefined): Promise<void> {
    const minuteMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    const id = countedId(minuteMs, [userId, address ?? null]);
    const entry = { actorId: null, action: 'LOGIN_FAILED' } as const;
    if (this.#isWithinBound(minuteMs, id)) {
      await countAuditEntry(this.#database, id, { ...entry, target: userId, address });
    } else {
      const detail = { others: 'further accounts and addresses' };
      await countAuditEntry(this.#database, countedId(minuteMs, ['others']), { ...entry, detail });
    }
  }

  #isWithinBound(minuteMs: number, id: string): boolean {
    if (minuteMs !== this.#minuteMs) this.#ids.clear();
    this.#minuteMs = minuteMs;
    if (this.#ids.size < MAX_ENTRIES) this.#ids.add(id);
    return this.#ids.has(id);
  }
}
