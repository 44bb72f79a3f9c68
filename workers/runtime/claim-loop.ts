import type { Logger } from 'pino';
import { type Claim, claim } from '../../src/broker/calls.ts';
import { wakeKey } from '../../src/broker/keys.ts';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import { Backoff } from './backoff.ts';
import type { Slots } from './slots.ts';
import { WakeListener } from './wake-listener.ts';

export interface ClaimLoopOptions {
  broker: Broker;
  workerId: string;
  /** "*" for all. */
  queues: readonly string[];
  types: readonly string[];
  leaseMs: number;
  slots: Slots;
  /** Whether more slots will be free within a moment, so that one call can fill them together. */
  isFreeingSlots: () => boolean;
  /** Takes over what was claimed, and takes the slots for it. */
  accept: (shard: Shard, claims: readonly Claim[]) => void;
  /** Told when a shard answers again after it failed: it may have lost its data. */
  onRecovered: (shard: Shard) => void;
  logger: Logger;
}

/** Where claiming from one shard stands. */
interface Source {
  readonly shard: Shard;
  readonly listener: WakeListener;
  readonly backoff: Backoff;
  state: 'asleep' | 'has-work' | 'claiming' | 'backing-off';
  /** A token came while a claim was on its way: the claim may have been served before the token's tasks arrived. */
  isWokenAgain: boolean;
  retryTimer: NodeJS.Timeout | undefined;
}

/** Every so many claims the low lane, and in it the low priority, goes first, so that nothing starves. */
const LOW_FIRST_EVERY = 8;

/**
 * Keeps the slots filled. A shard sleeps in a blocking read until it has work; then it is claimed from until it gives less
 * than was asked for. Nothing is polled.
 */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  readonly #high: Source[];
  readonly #low: Source[];
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
  readonly wake = (): void => {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#claimAll();
    });
  };

  /** Stops claiming. What a claim on its way still brings is accepted before this resolves. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const sources = [...this.#high, ...this.#low];
    for (const { retryTimer } of sources) clearTimeout(retryTimer);
    await Promise.all([...this.#claims, ...sources.map(({ listener }) => listener.close())]);
    // A token may have been taken on the way.
    await Promise.all(sources.map(({ shard }) => this.#passOn(shard)));
  }

  #open(shard: Shard): Source {
    const { queues, types } = this.#options;
    const keys = queues.flatMap((queue) => types.map((type) => wakeKey(shard.tag, queue, type)));
    const listener = new WakeListener({ shard, keys, onWake: () => this.#onWake(source) });
    const source: Source = {
      shard,
      listener,
      backoff: new Backoff(),
      state: 'has-work',
      isWokenAgain: false,
      retryTimer: undefined,
    };
    return source;
  }

  #onWake(source: Source): void {
    source.isWokenAgain = source.state === 'claiming';
    if (source.state !== 'asleep') return;
    source.state = 'has-work';
    if (this.#options.slots.free > 0) this.wake();
    else void this.#passOn(source.shard);
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
   * The first shard that has work. A claim on its way is awaited before one goes to a later shard, so that a lower lane gets
   * only what a higher one leaves; but a shard that failed last time holds nobody up.
   */
  #next(isLowFirst: boolean): Source | undefined {
    const lanes = isLowFirst ? [this.#low, this.#high] : [this.#high, this.#low];
    for (const sources of lanes) {
      for (let i = 0; i < sources.length; i++) {
        const source = sources[(this.#rounds + i) % sources.length];
        if (source?.state === 'has-work') return source;
        if (source?.state === 'claiming' && source.backoff.failures === 0) return undefined;
      }
    }
    return undefined;
  }

  async #claimFrom(source: Source, limit: number, isLowFirst: boolean): Promise<void> {
    const { slots, accept } = this.#options;
    const { shard } = source;
    source.state = 'claiming';
    source.isWokenAgain = false;
    slots.reserve(limit);
    try {
      const claims = await this.#claim(shard, limit, isLowFirst);
      slots.unreserve(limit);
      accept(shard, claims);
      this.#onClaimed(source, claims.length === limit || source.isWokenAgain);
    } catch (error) {
      slots.unreserve(limit);
      this.#onFailed(source, error);
    }
    this.wake();
  }

  #claim(shard: Shard, limit: number, isLowFirst: boolean): Promise<Claim[]> {
    const { workerId, leaseMs, queues, types } = this.#options;
    const lowFirst = isLowFirst ? '1' : '0';
    return claim(shard, { worker: workerId, limit, leaseMs, lowFirst, queues: queues.join(','), types: types.join(',') });
  }

  #onClaimed(source: Source, isMoreLikely: boolean): void {
    if (source.backoff.failures > 0) this.#options.onRecovered(source.shard);
    source.backoff.reset();
    source.state = isMoreLikely ? 'has-work' : 'asleep';
    if (!isMoreLikely && !this.#isStopped) source.listener.listen();
  }

  #onFailed(source: Source, err: unknown): void {
    if (source.backoff.failures === 0) this.#options.logger.warn({ err, shard: source.shard.id }, 'claiming failed; trying on');
    source.state = 'backing-off';
    if (this.#isStopped) return;
    source.retryTimer = setTimeout(() => {
      source.state = 'has-work';
      this.wake();
    }, source.backoff.next());
  }

  /**
   * A token that this worker cannot use is for another. A claim of none leaves a new token wherever tasks wait. Should it
   * fail, the promoter wakes somebody.
   */
  async #passOn(shard: Shard): Promise<void> {
    await this.#claim(shard, 0, false).catch(() => undefined);
  }
}
