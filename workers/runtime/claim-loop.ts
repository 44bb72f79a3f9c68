import type { Logger } from 'pino';
import { type Claim, claim } from '../../src/broker/calls.ts';
import { wakeKey } from '../../src/broker/keys.ts';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import { tasksClaimed } from '../../src/diagnostics.ts';
import { ShardSource } from './shard-source.ts';
import type { ClaimSlots } from './slots.ts';

export interface ClaimLoopOptions {
  broker: Broker;
  workerId: string;
  /** "*" for all. */
  queues: readonly string[];
  types: readonly string[];
  leaseMs: number;
  slots: ClaimSlots;
  /** Whether more slots will be free within a moment, so that one call can fill them together. */
  isFreeingSlots: () => boolean;
  /** Takes over what was claimed, and takes the slots for it. */
  accept: (shard: Shard, claims: readonly Claim[]) => void;
  /** Told when a claim was answered: slots that it did not fill may serve other loops. It is to wake this one as well. */
  onClaimed: () => void;
  /** Told when a shard answers again after it failed: it may have lost its data. */
  onRecovered: (shard: Shard) => void;
  logger: Logger;
}

/** Every so many claims the low lane, and in it the low priority, goes first, so that nothing starves. */
const LOW_FIRST_EVERY = 8;

/**
 * Keeps the slots filled. A shard sleeps in a blocking read until it has work; then it is claimed from until it gives less
 * than was asked for. Nothing is polled.
 */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  readonly #high: readonly ShardSource[];
  readonly #low: readonly ShardSource[];
  readonly #claims = new Set<Promise<void>>();
  #rounds = 0;
  #isScheduled = false;
  #isStopped = false;

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
    this.#high = options.broker.high.shards.map((shard) => this.#open(shard));
    this.#low = options.broker.low.shards.map((shard) => this.#open(shard));
    this.wake();
  }

  /** Looks whether to claim, at the end of this turn: slots are freed many at once. */
  wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#claimAll();
    });
  }

  /** Stops claiming. What a claim on its way still brings is accepted before this resolves. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#claims);
    const sources = [...this.#high, ...this.#low];
    await Promise.all(sources.map((source) => source.close()));
    // A token may have been taken on the way.
    await Promise.all(sources.map(({ shard }) => this.#passOn(shard)));
  }

  #open(shard: Shard): ShardSource {
    const { queues, types, slots } = this.#options;
    return new ShardSource({
      shard,
      wakeKeys: queues.flatMap((queue) => types.map((type) => wakeKey(shard.tag, queue, type))),
      onWork: (cause) => {
        if (cause === 'woken' && slots.free <= 0) void this.#passOn(shard);
        else this.wake();
      },
    });
  }

  #claimAll(): void {
    const { slots } = this.#options;
    while (!this.#isStopped && this.#isWorthClaiming()) {
      const isLowFirst = this.#rounds % LOW_FIRST_EVERY === LOW_FIRST_EVERY - 1;
      const source = this.#next(isLowFirst);
      if (!source) return;
      this.#rounds++;
      // At most half of the slots at once: while one half runs and is reported, Redis gives out the other.
      const limit = Math.min(slots.free, Math.ceil(slots.concurrency / 2));
      const claiming = this.#claimFrom(source, limit, isLowFirst).finally(() => this.#claims.delete(claiming));
      this.#claims.add(claiming);
    }
  }

  /** One call for each slot would halve the throughput: a quarter is awaited, but only while more are about to be free. */
  #isWorthClaiming(): boolean {
    const { slots, isFreeingSlots } = this.#options;
    return slots.free > 0 && (slots.free >= slots.concurrency / 4 || !isFreeingSlots());
  }

  /**
   * The first shard that has work; shards of a lane take turns. A claim on its way is awaited before one goes to a later
   * shard, so that a lower lane gets only what a higher one leaves; but a shard that failed last time holds nobody up.
   */
  #next(isLowFirst: boolean): ShardSource | undefined {
    const lanes = isLowFirst ? [this.#low, this.#high] : [this.#high, this.#low];
    for (const sources of lanes) {
      for (let i = 0; i < sources.length; i++) {
        const source = sources[(this.#rounds + i) % sources.length];
        if (source?.hasWork) return source;
        if (source?.isAnsweringSoon) return undefined;
      }
    }
    return undefined;
  }

  async #claimFrom(source: ShardSource, limit: number, isLowFirst: boolean): Promise<void> {
    const { slots, accept, onRecovered, logger, workerId } = this.#options;
    source.beginClaim();
    slots.reserve(limit);
    const startedAt = performance.now();
    try {
      const claims = await this.#claim(source.shard, limit, isLowFirst).finally(() => slots.unreserve(limit));
      if (tasksClaimed.hasSubscribers)
        tasksClaimed.publish({ workerId, claims, durationMs: performance.now() - startedAt });
      accept(source.shard, claims);
      if (source.hasFailed) onRecovered(source.shard);
      source.endClaim(claims.length === limit);
    } catch (err) {
      if (!source.hasFailed) logger.warn({ err, shard: source.shard.id }, 'claiming failed; trying on');
      source.failClaim();
    }
    this.#options.onClaimed();
  }

  #claim(shard: Shard, limit: number, isLowFirst: boolean): Promise<Claim[]> {
    const { workerId, leaseMs, queues, types } = this.#options;
    return claim(shard, {
      worker: workerId,
      limit,
      leaseMs,
      lowFirst: isLowFirst ? '1' : '0',
      queues: queues.join(','),
      types: types.join(','),
    });
  }

  /**
   * A token that this worker cannot use is for another. A claim of none leaves a new token wherever tasks wait. Should it
   * fail, the promoter wakes somebody.
   */
  async #passOn(shard: Shard): Promise<void> {
    await this.#claim(shard, 0, false).catch(() => undefined);
  }
}
