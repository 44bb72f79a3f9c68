import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';

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
  readonly #logger: Logger;
  #outageUntilMs = 0;

  /** @param prefix before every key */
  constructor(redis: Redis, prefix: string, logger: Logger) {
    this.redis = redis;
    this.prefix = prefix;
    this.#logger = logger;
  }

  /** Does it in Redis, or in memory when that fails or failed just now. */
  async use<T>(inRedis: () => Promise<T>, inMemory: () => Promise<T>): Promise<T> {
    if (this.redis.status !== 'ready' || Date.now() < this.#outageUntilMs) return inMemory();
    try {
      return await inRedis();
    } catch (error) {
      if (error instanceof RateLimiterRes) throw error;
      this.#outageUntilMs = Date.now() + OUTAGE_MS;
      this.#logger.warn({ err: error }, 'limits are counted in memory: Redis could not be reached');
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

/** Counts something by keys: `limit` in so many seconds. */
export class Limiter {
  readonly limit: number;
  readonly #seconds: number;
  readonly #store: LimiterStore;
  readonly #redis: RateLimiterRedis;
  readonly #memory: RateLimiterMemory;

  constructor(store: LimiterStore, { name, limit, seconds, isFinal = false }: LimiterOptions) {
    this.limit = limit;
    this.#seconds = seconds;
    this.#store = store;
    const options = { keyPrefix: `${store.prefix}:limit:${name}`, points: limit, duration: seconds };
    const inMemoryBlockOnConsumed = isFinal ? limit + 1 : 0;
    this.#redis = new RateLimiterRedis({ ...options, storeClient: store.redis, inMemoryBlockOnConsumed });
    this.#memory = new RateLimiterMemory(options);
  }

  /** Counts one more. Takes one round trip to Redis. */
  async count(key: string): Promise<Count> {
    try {
      const { consumedPoints, msBeforeNext } = await this.#use((limiter) => limiter.consume(key));
      return { used: consumedPoints, isExceeded: false, resetMs: msBeforeNext };
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      return { used: Math.max(error.consumedPoints, this.limit + 1), isExceeded: true, resetMs: error.msBeforeNext };
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
