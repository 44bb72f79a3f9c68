import type { Logger } from 'pino';
import { extendLeases } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { type Attempt, CancelRequestedError } from './attempt.ts';
import { Backoff } from './backoff.ts';
import type { Slots } from './slots.ts';

export interface LeaseKeeperOptions {
  shard: Shard;
  slots: Slots;
  /** How long a lease lasts from each extension, in ms. */
  leaseMs: number;
  logger: Logger;
}

/**
 * Extends the leases of all attempts of one shard, in one call at a third of their time. Attempts whose lease was lost are
 * aborted: another worker may run their tasks already. So are those that were told to stop, should the message have been
 * lost.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #backoff = new Backoff();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#schedule(options.leaseMs / 3);
  }

  get shard(): Shard {
    return this.#options.shard;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Extends them now. @throws what the broker throws */
  async extend(): Promise<void> {
    const { shard, slots, leaseMs } = this.#options;
    const held = [...slots.of(shard).values()];
    if (held.length === 0) return;
    const { lost: lostIds, stopping } = await extendLeases(
      shard,
      { leaseMs },
      held.map(({ claim: { id, token } }) => ({ id, token })),
    );
    for (const { id, reason } of stopping) slots.of(shard).get(id)?.abort(new CancelRequestedError(reason));
    if (lostIds.length === 0) return;
    const lost = new Set(lostIds);
    // Only those that were asked about: a task that ended meanwhile may be back in a new attempt, which is not lost.
    for (const attempt of held) if (lost.has(attempt.claim.id)) this.#lose(attempt);
  }

  #lose(attempt: Attempt): void {
    // One that was reported while this call was on its way is lost only in the sense that it has ended.
    if (this.#options.slots.of(attempt.shard).get(attempt.claim.id) !== attempt) return;
    if (!attempt.isSettled)
      this.#options.logger.info(
        { taskId: attempt.claim.id, attempt: attempt.claim.attempt },
        'lease lost: the handler is told to stop',
      );
    attempt.lose();
  }

  async #tick(): Promise<void> {
    try {
      await this.extend();
      this.#backoff.reset();
      this.#schedule(this.#options.leaseMs / 3);
    } catch (err) {
      if (this.#backoff.failures === 0) {
        this.#options.logger.warn({ err, shard: this.#options.shard.id }, 'leases could not be extended');
      }
      this.#schedule(Math.min(this.#backoff.next(), this.#options.leaseMs / 3));
    }
  }

  #schedule(waitMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#tick(), waitMs);
    this.#timer.unref();
  }
}
