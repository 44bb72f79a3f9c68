import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { TaskFlowError } from '../errors.ts';
import type { SigningKeys } from './signing-keys.ts';

export interface TokenOptions {
  keys: SigningKeys;
  /** Who makes the tokens, and for whom: others' tokens are refused, though the same key may have signed them. */
  issuer: string;
  audience: string;
  /** How long the token of a login is valid, in minutes. */
  expiresInMinutes: number;
  /** How long a login may go on without the password: tokens of it end then at the latest, in days. */
  renewableDays: number;
}

/** What a watch token is for, and what stands behind it: a login (by its version) or an API key. */
export interface WatchGrant {
  userId: string;
  tokenVersion?: number | undefined;
  apiKeyId?: string | undefined;
  taskIds: readonly string[];
  tags: readonly string[];
}

export interface VerifiedToken {
  userId: string;
  /** Seconds since 1970. */
  expiresAt: number;
  /** Of the user's tokens when this one was made; undefined where an API key stands behind it. */
  tokenVersion: number | undefined;
  /** Of a login: when the password was given, in seconds since 1970. */
  loggedInAt?: number;
  /** Of a login: which one it is. Tokens of releases before that kept no logins do not say. */
  sessionId?: string;
  apiKeyId?: string;
  /** With a watch token. */
  watches?: { taskIds: string[]; tags: string[] };
}

export interface IssuedToken {
  token: string;
  expiresAt: Date;
}

/** Tokens of the first release have no version: they are of the first. `auth_time` is missing where it is `iat`. */
const LoginClaims = z.object({
  sub: z.uuid(),
  iat: z.number().optional(),
  exp: z.number(),
  ver: z.int().default(0),
  auth_time: z.number().optional(),
  sid: z.uuid().optional(),
});
const WatchClaims = z.object({
  sub: z.uuid(),
  exp: z.number(),
  ver: z.int().optional(),
  key: z.uuid().optional(),
  ids: z.array(z.uuid()),
  tags: z.array(z.string()),
});

const DAY_SECONDS = 86_400;

/** Makes and checks tokens: JWTs whose subject is the user's id. Those of watchers have an audience of their own. */
export class AccessTokens {
  readonly #options: TokenOptions;
  readonly #watchAudience: string;

  constructor(options: TokenOptions) {
    this.#options = options;
    this.#watchAudience = `${options.audience}:watch`;
  }

  /**
   * The token of a login that begins now.
   *
   * @param sessionId which login it is. Default: none that is kept, so that it cannot be ended by itself
   */
  issue(user: { id: string; tokenVersion: number }, sessionId?: string): Promise<IssuedToken> {
    const { audience, expiresInMinutes } = this.#options;
    const claims = { sub: user.id, ver: user.tokenVersion, sid: sessionId };
    return this.#sign(claims, audience, nowInSeconds() + expiresInMinutes * 60);
  }

  /**
   * A further token of a login, which ends no later than `renewableDays` after its beginning.
   *
   * @param loggedInAt when the password was given, in seconds since 1970
   * @param sessionId which login it is
   * @throws TaskFlowError UNAUTHENTICATED when that was too long ago
   */
  renew(user: { id: string; tokenVersion: number }, loggedInAt: number, sessionId: string): Promise<IssuedToken> {
    const { audience, expiresInMinutes, renewableDays } = this.#options;
    const now = nowInSeconds();
    const expiresAt = Math.min(now + expiresInMinutes * 60, loggedInAt + renewableDays * DAY_SECONDS);
    if (expiresAt <= now)
      throw new TaskFlowError('UNAUTHENTICATED', 'This login has gone on for too long; log in again.');
    const claims = { sub: user.id, ver: user.tokenVersion, auth_time: loggedInAt, sid: sessionId };
    return this.#sign(claims, audience, expiresAt);
  }

  /** A token that only shows some tasks. */
  issueForWatching(grant: WatchGrant, expiresInMinutes: number): Promise<IssuedToken> {
    const { userId, tokenVersion, apiKeyId, taskIds, tags } = grant;
    const claims = { sub: userId, ver: tokenVersion, key: apiKeyId, ids: taskIds, tags };
    return this.#sign(claims, this.#watchAudience, nowInSeconds() + expiresInMinutes * 60);
  }

  /** @throws TaskFlowError UNAUTHENTICATED for a token that is expired, forged, or not ours */
  async verify(token: string): Promise<VerifiedToken> {
    try {
      const { keys, issuer, audience } = this.#options;
      const { payload } = await jwtVerify(token, keys.checking, {
        issuer,
        audience: [audience, this.#watchAudience],
        // Pinned: a token may not choose how it is checked.
        algorithms: [keys.algorithm],
        requiredClaims: ['sub', 'exp'],
      });
      return payload.aud === audience ? toLogin(payload) : toWatch(payload);
    } catch (error) {
      const message =
        error instanceof errors.JWTExpired ? 'The token has expired; log in again.' : 'The token is not valid.';
      throw new TaskFlowError('UNAUTHENTICATED', message, {}, { cause: error });
    }
  }

  async #sign(claims: Record<string, unknown>, audience: string, expiresAt: number): Promise<IssuedToken> {
    const { keys, issuer } = this.#options;
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: keys.algorithm })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(nowInSeconds())
      .setExpirationTime(expiresAt)
      .sign(keys.signing);
    return { token, expiresAt: new Date(expiresAt * 1_000) };
  }
}

const nowInSeconds = (): number => Math.floor(Date.now() / 1_000);

const toLogin = (payload: JWTPayload): VerifiedToken => {
  const { sub, iat, exp, ver, auth_time: loggedInAt = iat, sid: sessionId } = LoginClaims.parse(payload);
  return {
    userId: sub,
    expiresAt: exp,
    tokenVersion: ver,
    ...(loggedInAt === undefined ? {} : { loggedInAt }),
    ...(sessionId === undefined ? {} : { sessionId }),
  };
};

/** Also of a token for several audiences, which none of ours is: it lacks the claims. */
const toWatch = (payload: JWTPayload): VerifiedToken => {
  const { sub, exp, ver, key, ids, tags } = WatchClaims.parse(payload);
  const watched = { userId: sub, expiresAt: exp, tokenVersion: ver, watches: { taskIds: ids, tags } };
  return key === undefined ? watched : { ...watched, apiKeyId: key };
};
