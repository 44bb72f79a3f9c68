import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import { isDatabaseOutage } from '../outages.ts';
import { sleep } from '../sleep.ts';
import { type Database, openDatabase, sqlState } from './client.ts';

/** Reads lists, which may be a little old. */
export interface ListReader {
  /** Runs `work` on a replica that is fresh enough, and else on the primary; on both, where the replica fails. */
  read<T>(work: (database: Database) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** SQLSTATE of a query that stood in the way of what the primary had changed. */
const CONFLICT_WITH_RECOVERY = '40001';
const MAX_CHECK_MS = 1_000;

/** How far the primary had written its log, and when. */
interface Mark {
  at: number;
  position: bigint;
}

/**
 * Knows how old a replica is without any rights on it: it has seen all that the primary had written at the last moment whose
 * position in the log it has replayed. The replica's own clock, or the time of its last transaction, would not tell a quiet
 * primary from a lost one.
 */
class Replica implements ListReader {
  readonly #primary: Database;
  readonly #replica: Database;
  readonly #maxLagMs: number;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #marks: Mark[] = [];
  #freshAsOf: number | undefined;
  #isUsed = false;

  constructor(primary: Database, replica: Database, maxLagMs: number, logger: Logger) {
    this.#primary = primary;
    this.#replica = replica;
    this.#maxLagMs = maxLagMs;
    this.#logger = logger;
    this.#watching = this.#watch();
  }

  async read<T>(work: (database: Database) => Promise<T>): Promise<T> {
    if (!this.#isFresh()) return work(this.#primary);
    try {
      return await work(this.#replica);
    } catch (error) {
      if (!isDatabaseOutage(error) && sqlState(error) !== CONFLICT_WITH_RECOVERY) throw error;
      this.#freshAsOf = undefined;
      this.#tell();
      return work(this.#primary);
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await this.#replica.$disconnect();
  }

  #isFresh(): boolean {
    return this.#freshAsOf !== undefined && performance.now() - this.#freshAsOf <= this.#maxLagMs;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const pauseMs = Math.min(MAX_CHECK_MS, this.#maxLagMs / 2);
    while (!signal.aborted) {
      // What cannot be asked ages, until it is too old.
      await this.#check().catch(() => undefined);
      this.#tell();
      await sleep(pauseMs, signal);
    }
  }

  async #check(): Promise<void> {
    const at = performance.now();
    const [written] = await this.#primary.$queryRaw<{ position: bigint }[]>`
      SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS position`;
    if (written) this.#marks.push({ at, position: written.position });
    this.#marks = this.#marks.filter((mark) => at - mark.at <= this.#maxLagMs);
    // One that was made a primary goes its own way.
    const [replayed] = await this.#replica.$queryRaw<{ position: bigint }[]>`
      SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS position WHERE pg_is_in_recovery()`;
    if (!replayed) return;
    this.#freshAsOf = this.#marks.findLast(({ position }) => position <= replayed.position)?.at ?? this.#freshAsOf;
  }

  #tell(): void {
    const isUsed = this.#isFresh();
    if (isUsed === this.#isUsed) return;
    this.#isUsed = isUsed;
    if (isUsed) this.#logger.info('lists are read from the replica');
    else this.#logger.warn('lists are read from the primary: the replica cannot be asked, or is too old');
  }
}

/** @returns what reads from DATABASE_REPLICA_URL, where that is set, and always from the primary where it is not */
export const openListReader = (primary: Database, config: Config, logger: Logger): ListReader => {
  if (config.DATABASE_REPLICA_URL === '') return { read: (work) => work(primary), close: async () => undefined };
  const replica = openDatabase({
    url: config.DATABASE_REPLICA_URL,
    poolSize: config.DATABASE_POOL_SIZE,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    isPrepared: config.DATABASE_PREPARED_STATEMENTS,
    isPooled: config.DATABASE_DIRECT_URL !== '',
    movesTasks: false,
  });
  return new Replica(primary, replica, config.DATABASE_REPLICA_MAX_LAG_MS, logger);
};
