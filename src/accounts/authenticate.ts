import { hash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import type { AccessTokens, VerifiedToken } from './access-tokens.ts';
import { hashSecret, looksLikeSecret } from './api-key-secret.ts';
import { findApiKeyById, findShownApiKey, findTokenState, type ShownApiKey } from './credential-store.ts';
import type { CredentialUsage } from './credential-usage.ts';
import { ADMINS_SCOPES, type Principal } from './principal.ts';
import { isRevokedBy, type Revocation, subjectOf } from './revocation.ts';

/** What a request shows to say who it comes from. Names compare without case. */
export interface Credentials {
  /** The `Authorization` header: "Bearer <token>" or "Bearer tf_…". */
  authorization: string | undefined;
  /** The `X-API-Key` header: "tf_…". */
  apiKey: string | undefined;
}

/** How long a check of credentials holds, in ms: that long a key that was revoked on another node may still work. */
const CACHE_MS = 1_000;
const MAX_CACHED = 10_000;
const BEARER = /^Bearer +([^\s]+) *$/i;

/** Finds out who is asking. Remembers what it found for a second, so that busy callers cost a query a second. */
export class Authenticator {
  readonly #database: Database;
  readonly #tokens: AccessTokens;
  readonly #usage: CredentialUsage;
  /** By the hash of what was shown: nothing here can be used to log in. */
  readonly #verified: LRUCache<string, Principal, string>;
  /** What was revoked lately, by the id of the key, login or user: a look-up that began before must not bring it back. */
  readonly #revoked = new LRUCache<string, Revocation>({ max: MAX_CACHED, ttl: 60 * CACHE_MS });

  constructor(database: Database, tokens: AccessTokens, usage: CredentialUsage) {
    this.#database = database;
    this.#tokens = tokens;
    this.#usage = usage;
    // Callers that come together share one look-up.
    this.#verified = new LRUCache({
      max: MAX_CACHED,
      ttl: CACHE_MS,
      fetchMethod: (_hash, _stale, { context }) => this.#verify(context),
    });
  }

  /**
   * @returns undefined for a request without credentials
   * @throws TaskFlowError UNAUTHENTICATED for credentials that are wrong, expired or revoked
   */
  async authenticate({ authorization, apiKey }: Credentials): Promise<Principal | undefined> {
    const shown = apiKey?.trim() || (authorization === undefined ? undefined : bearerOf(authorization));
    if (!shown) return undefined;
    const fingerprint = hash('sha256', shown, 'base64url');
    const known = this.#verified.get(fingerprint);
    const principal = known ?? (await this.#verified.fetch(fingerprint, { context: shown }));
    if (!principal || principal.expiresAtMs <= Date.now() || this.#isRevoked(principal)) throw refused(shown);
    this.#usage.note(principal);
    return principal;
  }

  /** From now on these credentials no longer work here. What is said of a user's tokens ends a lock. */
  forget(revocation: Revocation): void {
    const id = subjectOf(revocation);
    // What was said of a deleted account stays.
    if (this.#revoked.peek(id)?.what !== 'account') this.#revoked.set(id, revocation);
  }

  /** Writes what was noted about the use of credentials. */
  flush(): Promise<void> {
    return this.#usage.flush();
  }

  #isRevoked(principal: Principal): boolean {
    if (this.#revoked.size === 0) return false;
    return [principal.userId, principal.apiKeyId, principal.sessionId].some((id) => {
      const revocation = id === undefined ? undefined : this.#revoked.get(id);
      return revocation !== undefined && isRevokedBy(revocation, principal);
    });
  }

  async #verify(shown: string): Promise<Principal> {
    if (shown.startsWith('tf_')) return this.#verifyApiKey(shown);
    const token = await this.#tokens.verify(shown);
    return token.apiKeyId === undefined ? this.#verifyToken(token) : this.#verifyWatcherOfKey(token, token.apiKeyId);
  }

  async #verifyApiKey(secret: string): Promise<Principal> {
    if (!looksLikeSecret(secret)) throw refused(secret);
    const secretHash = hashSecret(secret);
    const apiKey = await findShownApiKey(this.#database, secretHash);
    // The index has compared the hashes already, of which a caller cannot choose the beginning; this takes the same time
    // wherever they differ.
    if (!apiKey || !timingSafeEqual(apiKey.secretHash, secretHash)) throw refused(secret);
    return principalOfKey(apiKey);
  }

  async #verifyToken(token: VerifiedToken): Promise<Principal> {
    const { userId, tokenVersion, loggedInAt, sessionId } = token;
    const user = await findTokenState(this.#database, userId, sessionId);
    if (!user || user.tokenVersion !== tokenVersion) throw refused('');
    const principal: Principal = {
      userId,
      scopes: 'all',
      isAdmin: user.isAdmin,
      tokenVersion,
      ...(loggedInAt === undefined ? {} : { loggedInAt }),
      ...(sessionId === undefined ? {} : { sessionId }),
      expiresAtMs: token.expiresAt * 1_000,
    };
    return token.watches ? watcher(principal, token.watches) : principal;
  }

  /** It is worth no more than the key that it was made with. */
  async #verifyWatcherOfKey(token: VerifiedToken, apiKeyId: string): Promise<Principal> {
    const apiKey = await findApiKeyById(this.#database, token.userId, apiKeyId);
    if (!apiKey || !token.watches) throw refused('');
    const ofKey = principalOfKey(apiKey);
    const expiresAtMs = Math.min(ofKey.expiresAtMs, token.expiresAt * 1_000);
    return watcher({ ...ofKey, expiresAtMs }, token.watches);
  }
}

const principalOfKey = ({ id, userId, scopes, ownerIsAdmin, expiresAt, rateLimitPerHour }: ShownApiKey): Principal => ({
  userId,
  scopes: new Set(scopes.filter((scope) => ownerIsAdmin || !ADMINS_SCOPES.has(scope))),
  apiKeyId: id,
  isAdmin: false,
  expiresAtMs: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
  ...(rateLimitPerHour === null ? {} : { rateLimitPerHour }),
});

const watcher = (principal: Principal, { taskIds, tags }: { taskIds: string[]; tags: string[] }): Principal => ({
  ...principal,
  scopes: new Set(),
  isAdmin: false,
  watched: { ownerId: principal.userId, taskIds, tags },
});

const bearerOf = (authorization: string): string => {
  const token = BEARER.exec(authorization)?.[1];
  if (!token) throw new TaskFlowError('UNAUTHENTICATED', 'The Authorization header must be "Bearer" and a token.');
  return token;
};

const refused = (shown: string): TaskFlowError =>
  new TaskFlowError(
    'UNAUTHENTICATED',
    shown.startsWith('tf_')
      ? 'The API key is not valid, has expired or was revoked, or its owner is locked.'
      : 'The token has expired or was ended; log in again.',
  );
