import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { AccessTokens } from '../../src/accounts/access-tokens.ts';
import type { SigningKeys } from '../../src/accounts/signing-keys.ts';

const USER = '01900000-0000-7000-8000-000000000000';
const TASK = '01900000-0000-7000-8000-00000000000a';
const OTHER = '01900000-0000-7000-8000-000000000001';
const bytes = (text: string) => new TextEncoder().encode(text);
const SECRET = bytes('a secret of the tests, long enough for all three algorithms: HS512 asks for 64 bytes');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ed25519 = generateKeyPairSync('ed25519');

const KEYS = {
  HS256: { algorithm: 'HS256', signing: SECRET, checking: SECRET },
  HS512: { algorithm: 'HS512', signing: SECRET, checking: SECRET },
  RS256: { algorithm: 'RS256', signing: rsa.privateKey, checking: rsa.publicKey },
  EdDSA: { algorithm: 'EdDSA', signing: ed25519.privateKey, checking: ed25519.publicKey },
} as const satisfies Record<string, SigningKeys>;

const tokensBy = (keys: SigningKeys) =>
  new AccessTokens({ keys, issuer: 'taskflow', audience: 'taskflow', expiresInMinutes: 180, renewableDays: 30 });

interface Wish {
  alg?: string;
  key?: Uint8Array | KeyObject;
  issuer?: string;
  audience?: string | string[];
  expires?: string;
  claims?: Record<string, unknown>;
}

const forge = (wish: Wish = {}) => {
  const { alg = 'HS256', key = SECRET, issuer = 'taskflow', audience = 'taskflow', expires, claims } = wish;
  return new SignJWT({ sub: USER, ver: 0, ...claims })
    .setProtectedHeader({ alg })
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(expires ?? '1h')
    .sign(key);
};

/** A good token with other claims, or another header, under the old signature. */
const changed = async (part: 'header' | 'payload', change: Record<string, unknown>): Promise<string> => {
  const parts = (await forge()).split('.') as [string, string, string];
  const index = part === 'header' ? 0 : 1;
  const before = JSON.parse(Buffer.from(parts[index], 'base64url').toString()) as object;
  parts[index] = Buffer.from(JSON.stringify({ ...before, ...change })).toString('base64url');
  return parts.join('.');
};

const unsigned = () =>
  new UnsecuredJWT({ ver: 0 })
    .setIssuer('taskflow')
    .setAudience('taskflow')
    .setSubject(USER)
    .setExpirationTime('1h')
    .encode();

const pem = (key: KeyObject) => bytes(key.export({ type: 'spki', format: 'pem' }) as string);
const der = (key: KeyObject) => new Uint8Array(key.export({ type: 'spki', format: 'der' }));

describe.each(Object.entries(KEYS))('a token signed by %s', (algorithm, keys) => {
  const tokens = tokensBy(keys);

  test('says whose it is, for as long as the setting says', async () => {
    const { token, expiresAt } = await tokens.issue({ id: USER, tokenVersion: 3 });
    const end = expiresAt.getTime() / 1_000;
    const verified = { userId: USER, tokenVersion: 3, expiresAt: end, loggedInAt: end - 180 * 60 };
    expect(await tokens.verify(token)).toEqual(verified);
    expect(expiresAt.getTime()).toBeGreaterThan(Date.now() + 179 * 60_000);
    expect(expiresAt.getTime()).toBeLessThanOrEqual(Date.now() + 180 * 60_000);
  });

  test('is refused where another algorithm is expected', async () => {
    const { token } = await tokens.issue({ id: USER, tokenVersion: 0 });
    for (const [other, otherKeys] of Object.entries(KEYS)) {
      if (other === algorithm) continue;
      await expect(tokensBy(otherKeys).verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    }
  });

  test('is refused when it is not signed', async () => {
    await expect(tokens.verify(unsigned())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

const SESSION = '0198c1a2-0000-7000-8000-000000000000';

describe('a renewed token', () => {
  const tokens = tokensBy(KEYS.HS256);
  const user = { id: USER, tokenVersion: 2 };
  const DAY = 86_400;
  const ago = (seconds: number): number => Math.floor(Date.now() / 1_000) - seconds;

  test('keeps the time of the password, and lasts as long as a new one', async () => {
    const loggedInAt = ago(DAY);
    const { token, expiresAt } = await tokens.renew(user, loggedInAt, SESSION);
    expect(await tokens.verify(token)).toMatchObject({ tokenVersion: 2, loggedInAt });
    expect(expiresAt.getTime()).toBeGreaterThan(Date.now() + 179 * 60_000);
  });

  test('ends with the days for which the login may go on', async () => {
    const loggedInAt = ago(30 * DAY - 60);
    const { expiresAt } = await tokens.renew(user, loggedInAt, SESSION);
    expect(expiresAt.getTime()).toBe((loggedInAt + 30 * DAY) * 1_000);
  });

  test('is not given after them', async () => {
    expect(() => tokens.renew(user, ago(30 * DAY), SESSION)).toThrow(
      expect.objectContaining({ code: 'UNAUTHENTICATED' }),
    );
  });
});

describe('a token', () => {
  const tokens = tokensBy(KEYS.HS256);

  test('of the forger of these tests is good', async () => {
    expect(await tokens.verify(await forge())).toMatchObject({ userId: USER });
  });

  test.each<[string, () => string | Promise<string>]>([
    ['is expired', () => forge({ expires: '-1s' })],
    ['is signed with another secret', () => forge({ key: bytes('another secret of the tests, long enough for it') })],
    ['is signed with another algorithm', () => forge({ alg: 'HS512' })],
    ['is for somebody else', () => forge({ audience: 'other' })],
    ['is for several', () => forge({ audience: ['taskflow', 'other'] })],
    ['is from somebody else', () => forge({ issuer: 'other' })],
    ['was given to another user', () => changed('payload', { sub: OTHER })],
    ['was made to last longer', () => changed('payload', { exp: 4_000_000_000 })],
    ['was made one of a newer password', () => changed('payload', { ver: 1 })],
    ['says that it needs no signature', () => changed('header', { alg: 'none' })],
    ['names an algorithm that there is not', () => changed('header', { alg: 'HS257' })],
    ['brings a key of its own', () => changed('header', { jwk: { kty: 'oct', k: 'AA' } })],
    ['asks for what nobody understands', () => changed('header', { crit: ['exp'] })],
    ['lost its signature', async () => (await forge()).replace(/[^.]+$/, '')],
    ['names nobody', () => forge({ claims: { sub: undefined } })],
    ['names what is no user', () => forge({ claims: { sub: "' OR 1=1 --" } })],
    ['has a version that is none', () => forge({ claims: { ver: '0' } })],
    ['is no token', () => 'a.b.c'],
    ['is empty', () => ''],
  ])('is refused when it %s', async (_what, make) => {
    await expect(tokens.verify(await make())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('is refused when it never ends', async () => {
    const token = await new SignJWT({ sub: USER, ver: 0 })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('taskflow')
      .setAudience('taskflow')
      .sign(SECRET);
    await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test.each([
    ['RS256', 'PEM', pem(rsa.publicKey)],
    ['RS256', 'DER', der(rsa.publicKey)],
    ['EdDSA', 'PEM', pem(ed25519.publicKey)],
    ['EdDSA', 'DER', der(ed25519.publicKey)],
  ] as const)('is refused when the public key of %s, as %s, was taken for a secret', async (algorithm, _form, key) => {
    const token = await forge({ alg: 'HS256', key });
    await expect(tokensBy(KEYS[algorithm]).verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('of the release before has no version, and counts as one of the first', async () => {
    expect(await tokens.verify(await forge({ claims: { ver: undefined } }))).toMatchObject({ tokenVersion: 0 });
  });
});

describe('a watch token', () => {
  const tokens = tokensBy(KEYS.HS256);
  const grant = { userId: USER, tokenVersion: 2, taskIds: [TASK], tags: ['shown'] };

  test('says what it shows, and for how long', async () => {
    const { token, expiresAt } = await tokens.issueForWatching(grant, 15);
    expect(await tokens.verify(token)).toEqual({
      userId: USER,
      tokenVersion: 2,
      expiresAt: expiresAt.getTime() / 1_000,
      watches: { taskIds: [TASK], tags: ['shown'] },
    });
    expect(expiresAt.getTime()).toBeLessThanOrEqual(Date.now() + 15 * 60_000);
  });

  test('names the API key that it was made with', async () => {
    const { token } = await tokens.issueForWatching({ ...grant, tokenVersion: undefined, apiKeyId: OTHER }, 15);
    expect(await tokens.verify(token)).toMatchObject({ apiKeyId: OTHER, tokenVersion: undefined });
  });

  test('cannot be passed off as a login, nor a login as one', async () => {
    const asLogin = await forge({ claims: { ids: [TASK], tags: [] } });
    expect(await tokens.verify(asLogin)).not.toHaveProperty('watches');
    const asWatcher = await forge({ audience: 'taskflow:watch' });
    await expect(tokens.verify(asWatcher)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const both = await forge({ audience: ['taskflow', 'taskflow:watch'], claims: { ids: [TASK], tags: [] } });
    expect(await tokens.verify(both)).toHaveProperty('watches');
  });
});
