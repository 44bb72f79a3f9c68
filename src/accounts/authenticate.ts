import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import type { AccessTokens } from './access-tokens.ts';
import { type ApiKey, findApiKeyByHash, isActive } from './account-store.ts';
import { hashSecret, looksLikeSecret } from './api-key-secret.ts';
import { KeyUsage } from './key-usage.ts';
import type { Principal } from './principal.ts';

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

interface Verified {
  principal: Principal;
  /** When the credentials run out, in ms since 1970. */
  expiresAtMs: number;
}

/** Finds out who is asking. Remembers what it found for a second, so that busy callers cost a query a second. */
export class Authenticator {
  readonly #database: Database;
  readonly #tokens: AccessTokens;
  readonly #usage: KeyUsage;
  /** By the hash of what was shown: nothing here can be used to log in. */
  readonly #verified: LRUCache<string, Verified, string>;
  /** Keys revoked on this node: a look-up that began before must not bring them back. */
  readonly #revoked = new LRUCache<string, true>({ max: MAX_CACHED, ttl: 60 * CACHE_MS });

  constructor(database: Database, tokens: AccessTokens, logger: Logger) {
    this.#database = database;
    this.#tokens = tokens;
    this.#usage = new KeyUsage(database, logger);
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
    const verified = await this.#verified.fetch(hashSecret(shown).toString('base64url'), { context: shown });
    if (!verified || verified.expiresAtMs <= Date.now()) throw expired(shown);
    const { apiKeyId } = verified.principal;
    if (apiKeyId !== undefined) {
      if (this.#revoked.has(apiKeyId)) throw wrongKey();
      this.#usage.note(apiKeyId);
    }
    return verified.principal;
  }

  /** From now on this API key no longer works here. */
  forget(apiKeyId: string): void {
    this.#revoked.set(apiKeyId, true);
  }

  /** Writes what was noted about the use of API keys. */
  flush(): Promise<void> {
    return this.#usage.flush();
  }

  async #verify(shown: string): Promise<Verified> {
    if (shown.startsWith('tf_')) return this.#verifyApiKey(shown);
    const { userId, expiresAt } = await this.#tokens.verify(shown);
    return { principal: { userId, scopes: 'all' }, expiresAtMs: expiresAt * 1_000 };
  }

  async #verifyApiKey(secret: string): Promise<Verified> {
    const apiKey = looksLikeSecret(secret) ? await findApiKeyByHash(this.#database, hashSecret(secret)) : null;
    if (!apiKey || !isActive(apiKey)) throw wrongKey();
    return { principal: principalOf(apiKey), expiresAtMs: apiKey.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY };
  }
}

const principalOf = ({ id, userId, scopes }: ApiKey): Principal => ({ userId, scopes: new Set(scopes), apiKeyId: id });

const bearerOf = (authorization: string): string => {
  const token = BEARER.exec(authorization)?.[1];
  if (!token) throw new TaskFlowError('UNAUTHENTICATED', 'The Authorization header must be "Bearer" and a token.');
  return token;
};

const wrongKey = (): TaskFlowError =>
  new TaskFlowError('UNAUTHENTICATED', 'The API key is not valid, has expired or was revoked.');

const expired = (shown: string): TaskFlowError =>
  shown.startsWith('tf_') ? wrongKey() : new TaskFlowError('UNAUTHENTICATED', 'The token has expired; log in again.');
