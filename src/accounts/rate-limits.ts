import { LRUCache } from 'lru-cache';
import { addressGroup } from './address-group.ts';
import { Limiter, type LimiterStore } from './limiter.ts';
import { isLogin, type Principal } from './principal.ts';

const HOUR_SECONDS = 3_600;

export interface RateLimitOptions {
  /** Requests without credentials or with a watch token, in an hour. 0: no limit. */
  perAddress: number;
  /** Requests of a user whose API key says nothing else, in an hour. 0: no limit. */
  perUser: number;
  /** Queries and subscriptions of a user's logins over sockets, in an hour. 0: no limit. */
  socketReadsPerUser: number;
}

/** What is counted: an HTTP request or a mutation over a socket, or what only reads over a socket. */
export type RequestKind = 'request' | 'socket read';

/** Where a client stands in its hour. */
export interface RateLimit {
  limit: number;
  remaining: number;
  isExceeded: boolean;
  /** When its next hour begins, in whole seconds from now, at least 1. */
  resetSeconds: number;
}

/**
 * Counts requests by the hour: those of logins and API keys by user, those of a key that has a limit of its own by key as
 * well (and only by key, where the limit is above the user's), all others (without credentials, or with a watch token) by
 * address.
 *
 * What a login reads over sockets is counted by itself: a page that is open all day subscribes and asks again at each click and
 * after each cut, and none of that shall use up what its user may submit.
 */
export class RateLimits {
  readonly #store: LimiterStore;
  readonly #options: RateLimitOptions;
  /** By their limit: most clients share one. */
  readonly #limiters = new LRUCache<number, Limiter>({ max: 1_000 });

  constructor(store: LimiterStore, options: RateLimitOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Counts one more. @returns undefined where there is no limit */
  async count(
    principal: Principal | undefined,
    address: string,
    kind: RequestKind = 'request',
  ): Promise<RateLimit | undefined> {
    let strictest: RateLimit | undefined;
    for (const [key, limit] of this.#rulesFor(principal, address, kind)) {
      if (limit === 0) continue;
      const found = await this.#countOne(key, limit);
      // What is refused here does not count there.
      if (found.isExceeded) return found;
      if (!strictest || found.remaining < strictest.remaining) strictest = found;
    }
    return strictest;
  }

  async #countOne(key: string, limit: number): Promise<RateLimit> {
    const { used, isExceeded, resetMs } = await this.#limiterOf(limit).count(key);
    const resetSeconds = Math.max(1, Math.ceil(resetMs / 1_000));
    return { limit, remaining: Math.max(0, limit - used), isExceeded, resetSeconds };
  }

  #rulesFor(principal: Principal | undefined, address: string, kind: RequestKind): [key: string, limit: number][] {
    // Watch tokens are in browsers: one of them must not use up its owner's hour.
    if (!principal || principal.watched) return [[`address:${addressGroup(address)}`, this.#options.perAddress]];
    const { apiKeyId, rateLimitPerHour, userId } = principal;
    if (kind === 'socket read' && isLogin(principal)) return [[`reads:${userId}`, this.#options.socketReadsPerUser]];
    const ofUser: [string, number] = [`user:${userId}`, this.#options.perUser];
    if (apiKeyId === undefined || rateLimitPerHour === undefined) return [ofUser];
    const ofKey: [string, number] = [`key:${apiKeyId}`, rateLimitPerHour];
    // Users give their keys such limits themselves: with many keys they would have many hours. More is an admin's to give.
    return rateLimitPerHour > this.#options.perUser ? [ofKey] : [ofKey, ofUser];
  }

  #limiterOf(limit: number): Limiter {
    const known = this.#limiters.get(limit);
    if (known) return known;
    const limiter = new Limiter(this.#store, { name: 'hour', limit, seconds: HOUR_SECONDS, isFinal: true });
    this.#limiters.set(limit, limiter);
    return limiter;
  }
}
