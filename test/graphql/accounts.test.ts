import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, PASSWORD, setupApi } from '../support/api.ts';

let app: ApiApp;

beforeAll(async () => {
  app = await setupApi();
});
afterAll(() => app.close());

const SIGN_UP =
  'mutation ($input: SignUpInput!) { signUp(input: $input) { token expiresAt user { id email username createdAt } } }';
const LOGIN =
  'mutation ($identifier: String!, $password: String!) { login(input: { identifier: $identifier, password: $password }) { token user { id } } }';
const ME = '{ me { id email username } }';

let names = 0;
const account = (more: Record<string, unknown> = {}) => {
  const name = `name${++names}`;
  return { email: `${name}@example.com`, username: name, password: PASSWORD, ...more };
};

describe('signUp', () => {
  test('makes an account that can submit, and logs it in', async () => {
    const input = account();
    const { data } = await app.call(SIGN_UP, { input });
    const { token, user } = data.signUp;
    expect(user).toMatchObject({ email: input.email, username: input.username });
    const headers = { authorization: `Bearer ${token}` };
    expect((await app.call(ME, {}, headers)).data.me).toEqual({
      id: user.id,
      email: input.email,
      username: input.username,
    });
    const submitted = await app.call('mutation { createTask(input: { type: "echo" }) { status } }', {}, headers);
    expect(submitted.data.createTask).toEqual({ status: 'QUEUED' });
  });

  test('keeps emails and usernames without case and without blanks around them', async () => {
    const { data } = await app.call(SIGN_UP, {
      input: account({ email: ' Ada@Example.COM ', username: 'Ada.Lovelace' }),
    });
    expect(data.signUp.user).toMatchObject({ email: 'ada@example.com', username: 'ada.lovelace' });
    expect(errorOf(await app.call(SIGN_UP, { input: account({ email: 'aDA@example.com' }) }))).toEqual({
      code: 'CONFLICT',
      field: 'input.email',
    });
    expect(errorOf(await app.call(SIGN_UP, { input: account({ username: 'ADA.lovelace' }) }))).toEqual({
      code: 'CONFLICT',
      field: 'input.username',
    });
  });

  test('lets one of many who want the same email win, and leaves nothing of the others', async () => {
    const email = 'wanted@example.com';
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => app.call(SIGN_UP, { input: account({ email }) })),
    );
    expect(answers.filter(({ errors }) => !errors)).toHaveLength(1);
    for (const answer of answers.filter(({ errors }) => errors))
      expect(errorOf(answer)).toEqual({ code: 'CONFLICT', field: 'input.email' });
    const [counts] = await app.database.$queryRaw<{ users: bigint; feeds: bigint }[]>`
      SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM owner_feeds) AS feeds`;
    expect(counts?.users).toBe(counts?.feeds);
  });

  test.each([
    ['a password of 7 characters', { password: '1234567' }, { field: 'input.password' }],
    ['a password of 201 characters', { password: 'x'.repeat(201) }, { field: 'input.password', limit: 200 }],
    ['an email without a host', { email: 'somebody' }, { field: 'input.email' }],
    ['an email of 300 characters', { email: `${'x'.repeat(290)}@example.com` }, { field: 'input.email', limit: 254 }],
    ['a username with a blank', { username: 'a b c' }, { field: 'input.username' }],
    ['a username of two characters', { username: 'ab' }, { field: 'input.username' }],
    ['a username that looks like an email', { username: 'a@b.c' }, { field: 'input.username' }],
  ])('refuses %s', async (_what, wrong, expected) => {
    const before = await app.database.user.count();
    expect(errorOf(await app.call(SIGN_UP, { input: account(wrong) }))).toEqual({
      code: 'BAD_USER_INPUT',
      ...expected,
    });
    expect(await app.database.user.count()).toBe(before);
  });

  test('stores no password', async () => {
    const input = account({ password: 'remember me not' });
    await app.call(SIGN_UP, { input });
    const user = await app.database.user.findUniqueOrThrow({ where: { email: input.email } });
    expect(user.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,p=1,t=2\$/);
    expect(JSON.stringify(user)).not.toContain('remember me not');
  });
});

describe('login', () => {
  test.each([
    (name: string) => name,
    (name: string) => name.toUpperCase(),
    (name: string) => `${name}@example.com`,
    (name: string) => ` ${name}@EXAMPLE.com`,
  ])('takes an email or a username, in any case', async (identifier) => {
    const input = account();
    const { data } = await app.call(SIGN_UP, { input });
    const answer = await app.call(LOGIN, { identifier: identifier(input.username), password: PASSWORD });
    expect(answer.data.login.user.id).toBe(data.signUp.user.id);
  });

  test('says the same of a wrong password and of an account that does not exist', async () => {
    const input = account();
    await app.call(SIGN_UP, { input });
    const wrong = await app.call(LOGIN, { identifier: input.username, password: 'wrong password' });
    const unknown = await app.call(LOGIN, { identifier: 'nobody', password: PASSWORD });
    expect(errorOf(wrong)).toEqual({ code: 'UNAUTHENTICATED' });
    expect(unknown).toMatchObject({ status: wrong.status, data: wrong.data, errors: wrong.errors });
  });

  test('takes as long for an account that does not exist', async () => {
    const input = account();
    await app.call(SIGN_UP, { input });
    const fastest = { [input.username]: Number.POSITIVE_INFINITY, nobody: Number.POSITIVE_INFINITY };
    // In turns, so that other work on the machine slows both; the fastest of each is the least disturbed.
    for (let i = 0; i < 15; i++) {
      for (const identifier of Object.keys(fastest)) {
        const start = performance.now();
        await app.call(LOGIN, { identifier, password: 'wrong password' });
        fastest[identifier] = Math.min(fastest[identifier] ?? 0, performance.now() - start);
      }
    }
    const { [input.username]: known = 0, nobody: unknown } = fastest;
    // Without the hash of a dummy it would take a tenth.
    expect(unknown).toBeGreaterThan(known / 2);
  });

  test.each(['', 'x\0y', 'x'.repeat(1_000), "' OR 1=1 --"])(
    'refuses the identifier %j like any other',
    async (identifier) => {
      expect(errorOf(await app.call(LOGIN, { identifier, password: 'x'.repeat(10_000) }))).toEqual({
        code: 'UNAUTHENTICATED',
      });
    },
  );
});

describe('me', () => {
  test('needs credentials', async () => {
    expect(errorOf(await app.call(ME))).toEqual({ code: 'UNAUTHENTICATED' });
  });

  test('is nobody once the account is gone', async () => {
    const user = await app.user();
    await app.database.user.delete({ where: { id: user.id } });
    expect(errorOf(await user.call(ME))).toEqual({ code: 'UNAUTHENTICATED' });
  });
});
