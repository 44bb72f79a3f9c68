import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { limitsKey } from '../broker/keys.ts';
import { type Logger, reportFailures } from '../logger.ts';

/** How long this process counts for itself after Redis failed, in ms: waiting for a Redis that stalls would stop everybody. */
const OUTAGE_MS = 1_000;

export interface Count {
  /** How many there were in this span of time, with this one. */
  used: number;
  isExceeded: boolean;
  /** When counting begins anew, in ms from now. */
  resetMs: number;
}

/** Where limits are counted: in Redis for all nodes together, and in this process while Redis is away. */
export class LimiterStore {
  readonly redis: Redis;
  readonly prefix: string;
  readonly #reportFailure: (error: unknown) => void;
  #outageUntilMs = 0;

  /** @param prefix before every key */
  constructor(redis: Redis, prefix: string, logger: Logger) {
    this.redis = redis;
    this.prefix = prefix;
    this.#reportFailure = reportFailures(logger, {
      outage: 'limits are counted in memory: Redis cannot be reached',
      fault: 'limits are counted in memory: Redis could not count',
    });
  }

  /** Does it in Redis, or in memory when that fails or failed just now. */
  async use<T>(inRedis: () => Promise<T>, inMemory: () => Promise<T>): Promise<T> {
    if (this.redis.status !== 'ready' || Date.now() < this.#outageUntilMs) return inMemory();
    try {
      return await inRedis();
    } catch (error) {
      if (error instanceof RateLimiterRes) throw error;
      this.#outageUntilMs = Date.now() + OUTAGE_MS;
      this.#reportFailure(error);
      return inMemory();
    }
  }
}

export interface LimiterOptions {
  /** A part of its keys. Limiters of the same name share their counts. */
  name: string;
  limit: number;
  /** How long a count holds, from its first on. */
  seconds: number;
  /**
   * Turns away whoever has passed the limit without asking Redis again, until counting begins anew. Not for counts that
   * are given back.
   */
  isFinal?: boolean;
}

interface Caller {
  resolve: (count: Count) => void;
  reject: (error: unknown) => void;
}

/**
 * Counts something by keys: `limit` in so many seconds. Callers that come while the same key is being counted share the next
 * round trip: a busy client would otherwise cost one each.
 */
export class Limiter {
  readonly limit: number;
  readonly #seconds: number;
  readonly #store: LimiterStore;
  readonly #redis: RateLimiterRedis;
  readonly #memory: RateLimiterMemory;
  /** Who waits, by the keys that are being counted. */
  readonly #waiting = new Map<string, Caller[]>();

  constructor(store: LimiterStore, { name, limit, seconds, isFinal = false }: LimiterOptions) {
    this.limit = limit;
    this.#seconds = seconds;
    this.#store = store;
    const options = { keyPrefix: `${limitsKey(store.prefix)}:${name}`, points: limit, duration: seconds };
    const inMemoryBlockOnConsumed = isFinal ? limit + 1 : 0;
    this.#redis = new RateLimiterRedis({ ...options, storeClient: store.redis, inMemoryBlockOnConsumed });
    this.#memory = new RateLimiterMemory(options);
  }

  /** Counts one more. Takes one round trip to Redis, or the rest of one and another that many share. */
  count(key: string): Promise<Count> {
    return new Promise((resolve, reject) => {
      const caller = { resolve, reject };
      const waiting = this.#waiting.get(key);
      if (waiting) waiting.push(caller);
      else void this.#countAll(key, [caller]);
    });
  }

  async #countAll(key: string, first: Caller[]): Promise<void> {
    for (let callers = first; callers.length > 0; ) {
      const waiting: Caller[] = [];
      this.#waiting.set(key, waiting);
      await this.#countThese(key, callers);
      callers = waiting;
    }
    this.#waiting.delete(key);
  }

  /** The first of them counts as the first, and so on. */
  async #countThese(key: string, callers: readonly Caller[]): Promise<void> {
    try {
      const { used, resetMs } = await this.#consume(key, callers.length);
      callers.forEach(({ resolve }, i) => {
        const mine = used - callers.length + 1 + i;
        resolve({ used: mine, isExceeded: mine > this.limit, resetMs });
      });
    } catch (error) {
      for (const { reject } of callers) reject(error);
    }
  }

  async #consume(key: string, count: number): Promise<{ used: number; resetMs: number }> {
    try {
      const { consumedPoints, msBeforeNext } = await this.#use((limiter) => limiter.consume(key, count));
      return { used: consumedPoints, resetMs: msBeforeNext };
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      // Who is turned away without asking Redis is not counted: all of them are beyond the limit.
      const used = error.consumedPoints > this.limit ? error.consumedPoints : this.limit + count;
      return { used, resetMs: error.msBeforeNext };
    }
  }

  /** Takes one count back. */
  async giveBack(key: string): Promise<void> {
    await this.#use((limiter) => limiter.reward(key));
  }

  /** From now on the limit is exceeded, for the whole span of time. */
  async lock(key: string): Promise<void> {
    await this.#use((limiter) => limiter.block(key, this.#seconds));
  }

  /** Forgets what was counted. */
  async clear(key: string): Promise<void> {
    await this.#use((limiter) => limiter.delete(key));
  }

  #use<T>(work: (limiter: RateLimiterRedis | RateLimiterMemory) => Promise<T>): Promise<T> {
    return this.#store.use(
      () => work(this.#redis),
      () => work(this.#memory),
    );
  }
}
