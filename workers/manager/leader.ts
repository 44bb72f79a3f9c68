import type { Logger } from 'pino';
import { lead, resign } from '../../src/broker/calls.ts';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import { metaKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { offerLibrary } from '../../src/broker/library.ts';
import { quietly } from '../../src/logger.ts';
import { isOutage } from '../../src/outages.ts';
import { sleep } from '../../src/sleep.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../src/tasks/task-state.ts';

const STATES = { moves: LEGAL_MOVES, live: LIVE_STATUSES };

export interface LeaderOptions {
  shard: Shard;
  /** Who this is, among all managers. */
  holder: string;
  leaseMs: number;
  /** Whether this manager may lead one more shard now. */
  mayLead: () => boolean;
  /** What the leader does, until the signal aborts. When it ends or throws, the term is over. */
  work: (signal: AbortSignal) => Promise<void>;
  logger: Logger;
}

/**
 * Campaigns for a shard and works while it leads. The lease in Redis elects one leader; the term in PostgreSQL makes sure
 * that a leader who did not notice its end writes nothing more.
 */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #stopping = new AbortController();
  #term: AbortController | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  get isLeading(): boolean {
    return this.#term !== undefined;
  }

  start(): void {
    this.#running = this.#campaign();
  }

  /** Ends the term, if there is one; the campaign goes on. */
  stepDown(reason: string): void {
    this.#term?.abort(new Error(reason));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('shutting down'));
    this.stepDown('shutting down');
    await this.#running;
  }

  async #campaign(): Promise<void> {
    const { leaseMs, mayLead, logger } = this.#options;
    const { signal } = this.#stopping;
    const reportOutage = quietly(logger, 'PostgreSQL or Redis cannot be reached; campaigning again');
    while (!signal.aborted) {
      try {
        if (mayLead() && (await this.#tryToLead()) !== 'no') await this.#lead();
      } catch (error) {
        if (isOutage(error)) reportOutage(error as Error);
        else logger.warn({ err: error }, 'lost the shard; campaigning again');
      }
      await sleep(leaseMs / 3, signal);
    }
  }

  async #tryToLead(): Promise<'no' | 'still' | 'from-now-on'> {
    const { shard, holder, leaseMs } = this.#options;
    try {
      return await lead(shard, { holder, leaseMs });
    } catch (error) {
      if (!(error instanceof BrokerNotReadyError)) throw error;
      // A new or emptied server: without the library nobody can do anything there.
      await offerLibrary(shard, STATES, true);
      return lead(shard, { holder, leaseMs });
    }
  }

  async #lead(): Promise<void> {
    const { shard, holder, logger, work } = this.#options;
    const term = new AbortController();
    this.#term = term;
    logger.info('leads the shard');
    try {
      // A newer release brings a newer library. An older one must not take it away again: during a rolling update both lead.
      await offerLibrary(shard, STATES, true);
      await Promise.all([work(term.signal).finally(() => term.abort()), this.#keepLease(term)]);
    } finally {
      term.abort();
      this.#term = undefined;
      await resign(shard, { holder }).catch(() => undefined);
    }
  }

  /** Renews the lease at a third of it; ends the term when somebody else has it, when it ran out, or when data was lost. */
  async #keepLease(term: AbortController): Promise<void> {
    const { shard, holder, leaseMs, logger } = this.#options;
    let validUntil = performance.now() + leaseMs;
    let wasReady = false;
    while (!term.signal.aborted) {
      await sleep(leaseMs / 3, term.signal);
      if (term.signal.aborted) return;
      const askedAt = performance.now();
      try {
        const answer = await lead(shard, { holder, leaseMs });
        const hasMeta = (await shard.redis.exists(metaKey(shard.tag))) === 1;
        if (answer !== 'still') return term.abort(new Error('the lease was lost'));
        if (wasReady && !hasMeta) return term.abort(new Error('the shard lost its data'));
        wasReady ||= hasMeta;
        validUntil = askedAt + leaseMs;
        // Managers of several releases may have looked at the same moment, and the oldest have loaded last.
        if (await offerLibrary(shard, STATES, false))
          logger.warn('the functions in Redis were older than this release');
      } catch (error) {
        logger.warn({ err: error }, 'could not renew the lease');
        if (performance.now() >= validUntil) return term.abort(new Error('the lease ran out'));
      }
    }
  }
}
