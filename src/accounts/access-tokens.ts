import { errors, jwtVerify, SignJWT } from 'jose';
import { TaskFlowError } from '../errors.ts';

const ISSUER = 'taskflow';
const AUDIENCE = 'taskflow';

export interface TokenOptions {
  secret: string;
  algorithm: 'HS256' | 'HS384' | 'HS512';
  /** How long a token is valid, in minutes. */
  expiresInMinutes: number;
}

export interface VerifiedToken {
  userId: string;
  /** Seconds since 1970. */
  expiresAt: number;
}

/** Makes and checks the tokens of logins: JWTs whose subject is the user's id. */
export class AccessTokens {
  readonly #key: Uint8Array;
  readonly #options: TokenOptions;

  constructor(options: TokenOptions) {
    this.#key = new TextEncoder().encode(options.secret);
    this.#options = options;
  }

  async issue(userId: string): Promise<{ token: string; expiresAt: Date }> {
    const { algorithm, expiresInMinutes } = this.#options;
    const now = Math.floor(Date.now() / 1_000);
    const expiresAt = now + expiresInMinutes * 60;
    const token = await new SignJWT()
      .setProtectedHeader({ alg: algorithm })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(userId)
      .setIssuedAt(now)
      .setExpirationTime(expiresAt)
      .sign(this.#key);
    return { token, expiresAt: new Date(expiresAt * 1_000) };
  }

  /** @throws TaskFlowError UNAUTHENTICATED for a token that is expired, forged, or not ours */
  async verify(token: string): Promise<VerifiedToken> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        issuer: ISSUER,
        audience: AUDIENCE,
        // Pinned: a token may not choose how it is checked.
        algorithms: [this.#options.algorithm],
        requiredClaims: ['sub', 'exp'],
      });
      return { userId: payload.sub as string, expiresAt: payload.exp as number };
    } catch (error) {
      const message =
        error instanceof errors.JWTExpired ? 'The token has expired; log in again.' : 'The token is not valid.';
      throw new TaskFlowError('UNAUTHENTICATED', message, {}, { cause: error });
    }
  }
}
