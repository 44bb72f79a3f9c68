import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, PASSWORD, setupApi } from '../support/api.ts';
import { silent } from '../support/factory.ts';

let app: ApiApp;
let nodes: Api[];

beforeAll(async () => {
  app = await setupApi({ settings: { MAX_FAILED_ATTEMPTS: '10', TRUSTED_PROXIES: '127.0.0.1' } });
  nodes = await Promise.all([startApi(app.config, silent), startApi(app.config, silent)]);
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await app.close();
});

const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { token } }';
let addresses = 0;

interface Login {
  identifier: string;
  password: string;
  /** Default: one that nobody else has. */
  address?: string;
  node?: number;
}

const login = async ({ identifier, password, node = 0, address }: Login) => {
  const from = address ?? `2001:db8:${(++addresses).toString(16)}::1`;
  const answer = await fetch(`${nodes[node]?.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
    body: JSON.stringify({ query: LOGIN, variables: { input: { identifier, password } } }),
  });
  const { data, errors } = await answer.json();
  return { token: data?.login?.token, retryAfterHeader: answer.headers.get('retry-after'), ...errors?.[0]?.extensions };
};

const guess = (identifiers: string[], count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, i) =>
      login({ identifier: identifiers[i % identifiers.length] as string, password: `wrong ${i}`, node: i % 2 }),
    ),
  );

describe('200 wrong passwords at once, from 200 addresses, on two nodes', () => {
  test.each([
    [
      'an account, by its email and its username',
      async () => {
        const { email, username } = await app.user();
        return [email, username];
      },
    ],
    ['an account that does not exist', async () => ['nobody@example.com']],
  ])('for %s: ten are looked at, and all others are told when to come back', async (_what, make) => {
    const identifiers = await make();
    const answers = await guess(identifiers, 200);
    const codes = Map.groupBy(answers, ({ code }) => code);
    expect(codes.get('UNAUTHENTICATED')).toHaveLength(10);
    expect(codes.get('RATE_LIMITED')).toHaveLength(190);
    for (const { retryAfter, retryAfterHeader } of codes.get('RATE_LIMITED') ?? []) {
      expect(retryAfter).toBeGreaterThan(890);
      expect(retryAfter).toBeLessThanOrEqual(900);
      expect(retryAfterHeader).toBe(String(retryAfter));
    }
  });

  test('keep the right password out, too, but no other account', async () => {
    const [victim, other] = [await app.user(), await app.user()];
    await guess([victim.username], 20);
    expect(await login({ identifier: victim.email, password: PASSWORD })).toMatchObject({ code: 'RATE_LIMITED' });
    expect((await login({ identifier: other.email, password: PASSWORD })).token).toBeDefined();
  });
});

describe('an address that tries one password for many accounts', () => {
  test('is locked out, whatever it writes into X-Forwarded-For', async () => {
    const { username } = await app.user();
    const codes = [];
    for (let i = 0; i < 12; i++) {
      const address = `10.9.9.${i}, 203.0.113.66`;
      codes.push((await login({ identifier: `somebody${i}`, password: PASSWORD, address })).code);
    }
    expect(codes).toEqual([...Array(10).fill('UNAUTHENTICATED'), 'RATE_LIMITED', 'RATE_LIMITED']);
    const locked = await login({ identifier: username, password: PASSWORD, address: '203.0.113.66' });
    expect(locked).toMatchObject({ code: 'RATE_LIMITED' });
    expect((await login({ identifier: username, password: PASSWORD, address: '203.0.113.67' })).token).toBeDefined();
  });
});

describe('somebody who knows the password', () => {
  test('may err nine times, again and again', async () => {
    const { email } = await app.user();
    for (let round = 0; round < 3; round++) {
      for (const { code } of await guess([email], 9)) expect(code).toBe('UNAUTHENTICATED');
      expect((await login({ identifier: email, password: PASSWORD })).token).toBeDefined();
    }
  });

  test('may log in many times at once', async () => {
    const { email } = await app.user();
    const logins = Array.from({ length: 30 }, () =>
      login({ identifier: email, password: PASSWORD, address: '192.0.2.9' }),
    );
    for (const { token } of await Promise.all(logins)) expect(token).toBeDefined();
  });
});

describe('somebody with a stolen token', () => {
  test('gets no more guesses at the password by other ways', async () => {
    const { call, username } = await app.user();
    const change =
      'mutation ($current: String!) { changePassword(current: $current, new: "another password") { token } }';
    const codes = [];
    for (let i = 0; i < 11; i++)
      codes.push((await call(change, { current: `wrong ${i}` })).errors?.[0]?.extensions?.code);
    expect(codes).toEqual([...Array(10).fill('BAD_USER_INPUT'), 'RATE_LIMITED']);
    expect(await login({ identifier: username, password: PASSWORD })).toMatchObject({ code: 'RATE_LIMITED' });
  });
});
