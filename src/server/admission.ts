import type { Authenticator, Credentials } from '../accounts/authenticate.ts';
import type { Principal } from '../accounts/principal.ts';
import type { RateLimit, RateLimits, RequestKind } from '../accounts/rate-limits.ts';
import { TaskFlowError } from '../errors.ts';

/** A request whose sender may ask: who it is, from where, and what is left of their hour. */
export interface Admitted {
  /** Undefined for a request without credentials. */
  principal: Principal | undefined;
  address: string;
  /** Undefined where nothing is limited. */
  rateLimit: RateLimit | undefined;
}

interface Gate {
  authenticator: Authenticator;
  rateLimits: RateLimits;
}

/**
 * Lets one request in: an HTTP request, or one operation of a socket, whatever it asks for.
 *
 * @throws TaskFlowError UNAUTHENTICATED for wrong credentials, RATE_LIMITED for one request too many
 */
export const admit = async (
  gate: Gate,
  credentials: Credentials,
  address: string,
  kind: RequestKind = 'request',
): Promise<Admitted> => {
  const principal = await identify(gate, credentials, address);
  const rateLimit = await gate.rateLimits.count(principal, address, kind);
  if (rateLimit?.isExceeded) throw rateLimited(rateLimit);
  return { principal, address, rateLimit };
};

/**
 * Finds out who is asking, without counting a request, but for wrong credentials: who tries many is turned away.
 *
 * @throws TaskFlowError UNAUTHENTICATED or RATE_LIMITED
 */
export const identify = async (
  { authenticator, rateLimits }: Gate,
  credentials: Credentials,
  address: string,
): Promise<Principal | undefined> => {
  try {
    return await authenticator.authenticate(credentials);
  } catch (error) {
    if (!(error instanceof TaskFlowError && error.code === 'UNAUTHENTICATED')) throw error;
    const rateLimit = await rateLimits.count(undefined, address);
    throw rateLimit?.isExceeded ? rateLimited(rateLimit) : error;
  }
};

const rateLimited = ({ limit, resetSeconds }: RateLimit): TaskFlowError =>
  new TaskFlowError('RATE_LIMITED', `More than ${limit} requests in an hour; try again in ${resetSeconds} s.`, {
    limit,
    retryAfter: resetSeconds,
  });

/** What an answer says about it (draft-ietf-httpapi-ratelimit-headers); the answer of a refusal has them from its error. */
export const rateLimitHeaders = ({ limit, remaining, resetSeconds }: RateLimit): Record<string, string> => ({
  'ratelimit-limit': String(limit),
  'ratelimit-remaining': String(remaining),
  'ratelimit-reset': String(resetSeconds),
});
