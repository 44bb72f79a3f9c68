import { badInput, TaskFlowError } from '../errors.ts';
import { newId } from '../ids.ts';
import type { AccountServices, ApiKeyRules } from './account-services.ts';
import { type CreateApiKeyInput, DEFAULT_SCOPES, EXPIRES_IN_DAYS, MAX_OVERLAP_MINUTES } from './api-key-input.ts';
import { makeSecret } from './api-key-secret.ts';
import { type ApiKey, findApiKey, insertApiKey, isActive, markRevoked, replaceApiKey } from './api-key-store.ts';
import { actorOf, type Caller } from './audit.ts';
import { ADMINS_SCOPES, type ApiKeyScope, hasScope, type Principal } from './principal.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export interface CreatedApiKey {
  secret: string;
  apiKey: ApiKey;
}

/**
 * Makes an API key. Its secret is in the answer and nowhere else, ever.
 *
 * @param input as it comes out of `CreateApiKeySchema`; scopes default to reading and writing tasks, expiry to 30 days
 * @throws TaskFlowError FORBIDDEN for scopes that the caller does not have; BAD_USER_INPUT for a key without an end where
 * the settings do not allow it, and for a rate that is not the caller's to give
 */
export const createApiKey = async (
  { database, apiKeyRules }: AccountServices,
  caller: Caller,
  input: CreateApiKeyInput,
): Promise<CreatedApiKey> => {
  const { principal } = caller;
  const scopes = [...new Set(input.scopes ?? DEFAULT_SCOPES)];
  requireScopes(principal, scopes);
  const { secret, prefix, hash } = makeSecret();
  const key = {
    id: newId(),
    userId: principal.userId,
    name: input.name,
    prefix,
    secretHash: hash,
    scopes,
    expiresAt: expiryOf(apiKeyRules, input.expiresInDays ?? EXPIRES_IN_DAYS.initial),
    rateLimitPerHour: rateOf(apiKeyRules, principal, input.rateLimitPerHour),
  };
  const apiKey = await insertApiKey(database, key, { ...actorOf(caller), action: 'API_KEY_CREATED', target: key.id });
  return { secret, apiKey };
};

/** Nobody makes a key that allows more than what it is made with. */
const requireScopes = (principal: Principal, scopes: readonly ApiKeyScope[]): void => {
  const missing = scopes.filter((scope) => !hasScope(principal, scope));
  if (missing.length > 0) {
    throw new TaskFlowError('FORBIDDEN', `Your API key does not have the scopes that it would give: ${missing}.`);
  }
  // A key has such a scope only while its owner is an admin, so it may hand it on.
  const reserved = isOrdinaryLogin(principal) ? scopes.filter((scope) => ADMINS_SCOPES.has(scope)) : [];
  if (reserved.length > 0) throw new TaskFlowError('FORBIDDEN', `Only an admin gives a key the scope ${reserved}.`);
};

const isOrdinaryLogin = ({ scopes, isAdmin }: Principal): boolean => scopes === 'all' && !isAdmin;

const expiryOf = ({ mayNeverExpire }: ApiKeyRules, days: number): Date | null => {
  if (days !== EXPIRES_IN_DAYS.never) return new Date(Date.now() + days * DAY_MS);
  if (!mayNeverExpire) throw badInput('input.expiresInDays', 'input.expiresInDays: must be at least 1');
  return null;
};

/** The highest rate that the principal may give a key. */
const maxRateOf = ({ maxRateLimitPerHour }: ApiKeyRules, { isAdmin, rateLimitPerHour }: Principal): number =>
  rateLimitPerHour ?? (isAdmin || maxRateLimitPerHour === 0 ? Number.POSITIVE_INFINITY : maxRateLimitPerHour);

/** Without a rate of its own, a key's requests count as its user's. A key that has one gives no more than that. */
const rateOf = (rules: ApiKeyRules, principal: Principal, wanted: number | null | undefined): number | null => {
  const rate = wanted ?? principal.rateLimitPerHour ?? null;
  const max = maxRateOf(rules, principal);
  if (rate === null || rate <= max) return rate;
  const field = 'input.rateLimitPerHour';
  throw badInput(field, `${field}: must be at most ${max}, unless an admin gives it`, max);
};

/**
 * Puts a new secret into the place of an API key's, with the same name, scopes and rate, and for as long as the old one was
 * made for. The new secret is a key of its own, with an id of its own; the old one goes on for the overlap, or until it would
 * have expired anyway.
 *
 * @param overlapMinutes 0 to 7 days
 * @throws TaskFlowError NOT_FOUND where the user has no such key that works; FORBIDDEN for a key that allows more than what
 * the caller has
 */
export const rotateApiKey = async (
  services: AccountServices,
  caller: Caller,
  id: string,
  overlapMinutes: number,
): Promise<CreatedApiKey> => {
  if (overlapMinutes < 0) throw badInput('overlapMinutes', 'overlapMinutes must not be negative.');
  if (overlapMinutes > MAX_OVERLAP_MINUTES)
    throw badInput('overlapMinutes', `overlapMinutes must be at most ${MAX_OVERLAP_MINUTES}.`, MAX_OVERLAP_MINUTES);
  const { database, revocations, apiKeyRules } = services;
  const old = await findApiKey(database, caller.principal.userId, id);
  if (!old || !isActive(old)) throw noSuchKey(id);
  requireScopes(caller.principal, old.scopes);
  const { secret, prefix, hash } = makeSecret();
  const { userId, name, scopes } = old;
  const expiresAt = renewedExpiry(apiKeyRules, old);
  const maxRate = maxRateOf(apiKeyRules, caller.principal);
  const rateLimitPerHour = rateOf(
    apiKeyRules,
    caller.principal,
    old.rateLimitPerHour && Math.min(old.rateLimitPerHour, maxRate),
  );
  const key = { id: newId(), userId, name, scopes, prefix, secretHash: hash, expiresAt, rateLimitPerHour };
  const actor = actorOf(caller);
  const detail = { ...actor.detail, newId: key.id, overlapMinutes };
  const endsAt = new Date(Date.now() + overlapMinutes * MINUTE_MS);
  const entry = { ...actor, action: 'API_KEY_ROTATED', target: id, detail } as const;
  const apiKey = await replaceApiKey(database, id, endsAt, key, entry);
  if (!apiKey) throw noSuchKey(id);
  if (overlapMinutes === 0) await revocations.announce({ what: 'key', apiKeyId: id });
  return { secret, apiKey };
};

/** As long as the old key was made for. */
const renewedExpiry = (rules: ApiKeyRules, { createdAt, expiresAt }: ApiKey): Date | null => {
  if (expiresAt !== null) return new Date(Date.now() + expiresAt.getTime() - createdAt.getTime());
  return rules.mayNeverExpire ? null : expiryOf(rules, EXPIRES_IN_DAYS.initial);
};

/**
 * Revokes an API key: at once on every node, and in any case within a second. What was open with it is cut off. Doing it
 * again changes nothing.
 *
 * @throws TaskFlowError NOT_FOUND where the user has no such key
 */
export const revokeApiKey = async (
  { database, revocations }: AccountServices,
  caller: Caller,
  id: string,
): Promise<ApiKey> => {
  const entry = { ...actorOf(caller), action: 'API_KEY_REVOKED', target: id } as const;
  const apiKey = await markRevoked(database, caller.principal.userId, id, entry);
  if (!apiKey) throw noSuchKey(id);
  await revocations.announce({ what: 'key', apiKeyId: id });
  return apiKey;
};

const noSuchKey = (id: string): TaskFlowError => new TaskFlowError('NOT_FOUND', `You have no API key ${id}.`);
