import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';

let app: ApiApp;
let api: Api;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi({ settings: { CORS_ORIGINS: 'https://good.example,https://fine.example' } });
  api = await startApi(app.config, silent);
  user = await app.user();
});
afterAll(async () => {
  await api.close();
  await app.close();
});

const CREATE = JSON.stringify({
  query:
    'mutation { signUp(input: { email: "forged@example.com", username: "forged", password: "long enough" }) { token } }',
});
const SUBSCRIBE = 'query=subscription{queues{name}}';
const GOOD = { 'content-type': 'application/json' };

const send = (path: string, method: string, headers: Record<string, string>, body?: string) =>
  fetch(`${api.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: new Blob([body]) }) });

describe('a request that any page could have sent', () => {
  test.each<[string, string, string, Record<string, string>, string?]>([
    [
      'a form',
      '/graphql',
      'POST',
      { 'content-type': 'application/x-www-form-urlencoded' },
      `query=${encodeURIComponent(CREATE)}`,
    ],
    ['a form with a file', '/graphql', 'POST', { 'content-type': 'multipart/form-data; boundary=x' }, '--x--'],
    ['text', '/graphql', 'POST', { 'content-type': 'text/plain' }, CREATE],
    ['text that also names JSON', '/graphql', 'POST', { 'content-type': 'text/plain; application/json' }, CREATE],
    ['no type', '/graphql', 'POST', {}, CREATE],
    ['text on another path', '/graphql?a=b', 'POST', { 'content-type': 'text/plain;charset=UTF-8' }, CREATE],
    ['a link', '/graphql?query={__typename}', 'GET', {}],
    ['an event stream', `/graphql?${SUBSCRIBE}`, 'GET', { accept: 'text/event-stream' }],
  ])('is refused: %s', async (_what, path, method, headers, body) => {
    const answer = await send(path, method, headers, body);
    expect(answer.status).toBe(400);
    expect(errorOf(await answer.json())).toEqual({ code: 'BAD_USER_INPUT' });
    expect(await app.database.user.count({ where: { username: 'forged' } })).toBe(0);
  });

  test.each(['X-GraphQL-Yoga-CSRF', 'Apollo-Require-Preflight', 'X-API-Key', 'Authorization'])(
    'is taken with the header %s',
    async (name) => {
      const value = name === 'Authorization' ? (user.headers.authorization as string) : '';
      const answer = await send('/graphql?query={__typename}', 'GET', { [name]: value });
      expect(await answer.json()).toEqual({ data: { __typename: 'Query' } });
    },
  );

  test('may ask for GraphiQL, but not where that is off', async () => {
    expect((await send('/graphql', 'GET', { accept: 'text/html' })).status).toBe(200);
    const other = await startApi({ ...app.config, GRAPHIQL: false }, silent);
    const answer = await fetch(`${other.url}/graphql`, { headers: { accept: 'text/html' } });
    expect([answer.status, await answer.text()]).toEqual([404, expect.not.stringContaining('<html')]);
    await other.close();
  });
});

describe('a page of another site', () => {
  const preflight = async (origin: string, at: Api = api) => {
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    };
    const answer = await fetch(`${at.url}/graphql`, { method: 'OPTIONS', headers });
    return [
      answer.status,
      answer.headers.get('access-control-allow-origin'),
      answer.headers.get('access-control-allow-headers'),
    ];
  };

  test('may ask when it is among CORS_ORIGINS', async () => {
    expect(await preflight('https://good.example')).toEqual([
      204,
      'https://good.example',
      expect.stringContaining('X-API-Key'),
    ]);
    for (const path of ['/graphql', '/graphql?']) {
      const answer = await send(
        path,
        'POST',
        { ...GOOD, ...user.headers, origin: 'https://fine.example' },
        '{"query":"{ me { id } }"}',
      );
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://fine.example');
      expect(answer.headers.get('access-control-expose-headers')).toContain('Retry-After');
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });

  test.each([
    'https://evil.example',
    'http://good.example',
    'https://good.example.evil.example',
    'null',
    'https://good.example:8443',
  ])('may not when it is %s', async (origin) => {
    expect(await preflight(origin)).toEqual([204, null, null]);
    const answer = await send('/graphql', 'POST', { ...GOOD, origin }, '{"query":"{ __typename }"}');
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('may not by default, and any may with *', async () => {
    const [none, all] = await Promise.all([
      startApi({ ...app.config, CORS_ORIGINS: [] }, silent),
      startApi({ ...app.config, CORS_ORIGINS: ['*'] }, silent),
    ]);
    expect(await preflight('https://good.example', none)).toEqual([204, null, null]);
    expect(await preflight('https://any.example', all)).toEqual([204, 'https://any.example', expect.any(String)]);
    await Promise.all([none.close(), all.close()]);
  });
});

describe('every answer', () => {
  test.each([
    ['/graphql', 'POST', { ...GOOD }, '{"query":"{ __typename }"}'],
    ['/graphql?', 'POST', { ...GOOD }, '{"query":"{ __typename }"}'],
    ['/graphql', 'POST', { ...GOOD }, '{'],
    ['/graphql', 'POST', { 'content-type': 'text/plain' }, ''],
    ['/healthz', 'GET', {}, undefined],
    ['/nope', 'GET', {}, undefined],
  ])('keeps browsers from doing more with it: %s %s %j %s', async (path, method, headers, body) => {
    const answer = await send(path, method, headers as Record<string, string>, body);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(answer.headers.get('x-powered-by')).toBeNull();
  });
});

describe('the page of GraphiQL', () => {
  test('may run its own scripts, and no others', async () => {
    const answer = await send('/graphql', 'GET', { accept: 'text/html' });
    const html = await answer.text();
    const policy = answer.headers.get('content-security-policy') as string;
    const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script as string);
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) expect(policy).toContain(createHash('sha256').update(script).digest('base64'));
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-/);
    expect(policy).not.toMatch(/script-src[^;]*('unsafe-inline'|'unsafe-eval'|\*|https?:)/);
    expect(policy).toContain("frame-ancestors 'none'");
  });
});
