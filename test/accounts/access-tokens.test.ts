import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { AccessTokens } from '../../src/accounts/access-tokens.ts';

const SECRET = 'a secret of the tests, long enough for all three algorithms: HS512 asks for 64 bytes';
const USER = '01900000-0000-7000-8000-000000000000';
const tokens = new AccessTokens({ secret: SECRET, algorithm: 'HS256', expiresInMinutes: 180 });
const key = (secret: string) => new TextEncoder().encode(secret);

interface Wish {
  alg?: string;
  secret?: string;
  issuer?: string;
  audience?: string;
  expires?: string;
}

const forge = ({ alg = 'HS256', secret = SECRET, issuer = 'taskflow', audience = 'taskflow', expires = '1h' }: Wish) =>
  new SignJWT()
    .setProtectedHeader({ alg })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(USER)
    .setExpirationTime(expires)
    .sign(key(secret));

const changed = async (): Promise<string> => {
  const [header, payload = '', signature] = (await tokens.issue(USER)).token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  const other = Buffer.from(JSON.stringify({ ...claims, sub: '01900000-0000-7000-8000-000000000001' })).toString(
    'base64url',
  );
  return [header, other, signature].join('.');
};

describe('a token', () => {
  test('says whose it is, for as long as the setting says', async () => {
    const { token, expiresAt } = await tokens.issue(USER);
    expect(await tokens.verify(token)).toEqual({ userId: USER, expiresAt: expiresAt.getTime() / 1_000 });
    expect(expiresAt.getTime()).toBeGreaterThan(Date.now() + 179 * 60_000);
  });

  test.each<[string, () => string | Promise<string>]>([
    ['is expired', () => forge({ expires: '-1s' })],
    ['is signed with another secret', () => forge({ secret: `${SECRET}!` })],
    ['is signed with another algorithm', () => forge({ alg: 'HS512' })],
    [
      'is not signed',
      () =>
        new UnsecuredJWT()
          .setIssuer('taskflow')
          .setAudience('taskflow')
          .setSubject(USER)
          .setExpirationTime('1h')
          .encode(),
    ],
    ['is for somebody else', () => forge({ audience: 'other' })],
    ['is from somebody else', () => forge({ issuer: 'other' })],
    ['was changed', changed],
    [
      'never ends',
      () =>
        new SignJWT()
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuer('taskflow')
          .setAudience('taskflow')
          .setSubject(USER)
          .sign(key(SECRET)),
    ],
    [
      'names nobody',
      () =>
        new SignJWT()
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuer('taskflow')
          .setAudience('taskflow')
          .setExpirationTime('1h')
          .sign(key(SECRET)),
    ],
    ['is no token', () => 'a.b.c'],
    ['is empty', () => ''],
  ])('is refused when it %s', async (_what, make) => {
    await expect(tokens.verify(await make())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});
