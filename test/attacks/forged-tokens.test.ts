import { createHmac } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSecret } from '../../src/accounts/api-key-secret.ts';
import { schema } from '../../src/graphql/schema.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { operationsOf } from '../support/operations.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let user: TestUser;
let forged: Record<string, Record<string, string>>;

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

interface Change {
  algorithm?: string;
  secret?: string;
  issuer?: string;
  audience?: string;
  subject?: string;
  expiresInSeconds?: number;
}

/** A token as the api makes them, but for a change. */
const signed = (change: Change = {}): Promise<string> => {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({ ver: 0 })
    .setProtectedHeader({ alg: change.algorithm ?? 'HS256' })
    .setIssuer(change.issuer ?? app.config.TOKEN_ISSUER)
    .setAudience(change.audience ?? app.config.TOKEN_AUDIENCE)
    .setSubject(change.subject ?? user.id)
    .setIssuedAt(now)
    .setExpirationTime(now + (change.expiresInSeconds ?? 600))
    .sign(new TextEncoder().encode(change.secret ?? app.config.SECRET_KEY));
};

beforeAll(async () => {
  app = await setupApi();
  user = await app.admin();
  const real = user.headers.authorization?.replace('Bearer ', '') as string;
  const [header, payload, signature] = real.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const none = `${base64({ alg: 'none', typ: 'JWT' })}.${payload}.`;
  const tokens: Record<string, string> = {
    'alg none': none,
    'alg NONE with a signature': `${base64({ alg: 'NONE' })}.${payload}.${signature}`,
    'another algorithm': await signed({ algorithm: 'HS512' }),
    'another secret': await signed({ secret: 'a-secret-that-is-as-long-but-not-the-right-one' }),
    'no secret': `${header}.${payload}.${createHmac('sha256', '').update(`${header}.${payload}`).digest('base64url')}`,
    'another user': `${header}.${base64({ ...claims, sub: '01900000-0000-7000-8000-000000000000' })}.${signature}`,
    'a later end': `${header}.${base64({ ...claims, exp: claims.exp + 1_000_000 })}.${signature}`,
    'an end that has come': await signed({ expiresInSeconds: -1 }),
    'another audience': await signed({ audience: 'somebody else' }),
    'another issuer': await signed({ issuer: 'somebody else' }),
    'a user who is not there': await signed({ subject: '01900000-0000-7000-8000-000000000000' }),
    'no signature': `${header}.${payload}.`,
    'half of it': real.slice(0, real.length / 2),
    'a key that nobody made': makeSecret().secret,
    'the beginning of a key': makeSecret().prefix,
    SQL: "' OR 1=1 --",
  };
  forged = Object.fromEntries(
    Object.entries(tokens).map(([what, token]) => [what, { authorization: `Bearer ${token}` }]),
  );
  forged['a key that nobody made, as X-API-Key'] = { 'x-api-key': makeSecret().secret };
  forged['another scheme'] = { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` };
});
afterAll(() => app.close());

describe.each(operationsOf(schema))('$kind $name', ({ kind, document, variables }) => {
  test('is closed to every forged token', async () => {
    for (const [what, headers] of Object.entries(forged)) {
      if (kind === 'subscription') {
        const refused = subscribe(app.yoga, headers, document, variables);
        await expect(refused, what).rejects.toMatchObject({ extensions: { code: 'UNAUTHENTICATED' } });
      } else {
        const answer = await app.call(document, variables, headers);
        expect({ what, status: answer.status, ...errorOf(answer) }).toEqual({
          what,
          status: 401,
          code: 'UNAUTHENTICATED',
        });
        expect(answer.data).toBeUndefined();
      }
    }
  });
});

describe('the way in which they are forged', () => {
  test('makes tokens that are good but for the one thing', async () => {
    const token = await signed();
    const { data } = await app.call('{ me { id } }', {}, { authorization: `Bearer ${token}` });
    expect(data).toEqual({ me: { id: user.id } });
  });
});
