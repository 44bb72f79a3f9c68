import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { createDatabase, dropDatabase } from '../support/setup.ts';
import { connect, watch } from '../support/sockets.ts';
import { waitFor } from '../support/wait-for.ts';

let app: ApiApp;
let api: Api;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi({ settings: { MAX_REQUEST_BYTES: '100000' } });
  api = await startApi(app.config, silent);
  user = await app.user();
});
afterAll(async () => {
  await api.close();
  await app.close();
});

const post = (body: BodyInit, headers: Record<string, string> = {}, more: RequestInit & { duplex?: 'half' } = {}) =>
  fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    ...more,
  });

describe('health', () => {
  test('says that the process lives, and that it can serve', async () => {
    const alive = await fetch(`${api.url}/healthz`);
    expect([alive.status, await alive.json()]).toEqual([200, { isAlive: true }]);
    const ready = await fetch(`${api.url}/readyz`);
    const parts = { postgresql: 'ok', migrations: 'ok', redisHigh: 'ok', redisLow: 'ok' };
    expect([ready.status, await ready.json()]).toEqual([200, { isReady: true, parts }]);
  });

  test('names the migrations that are missing', async () => {
    const name = `empty_${Date.now()}`;
    const databaseUrl = await createDatabase(app.databaseUrl, name);
    const other = await startApi({ ...app.config, DATABASE_URL: databaseUrl }, silent);
    const ready = await fetch(`${other.url}/readyz`);
    expect(ready.status).toBe(503);
    expect((await ready.json()).parts).toMatchObject({
      postgresql: 'ok',
      migrations: expect.stringMatching(/^not applied: \d+_core/),
    });
    await other.close();
    await dropDatabase(app.databaseUrl, name);
  });

  test('is all there is beside /graphql and the dashboard', async () => {
    expect((await fetch(`${api.url}/nope`)).status).toBe(404);
  });
});

describe('GraphQL over HTTP', () => {
  test('answers queries by POST and by GET, but no mutation by GET', async () => {
    const byPost = await post('{"query":"{ me { id } }"}', user.headers);
    expect([byPost.status, await byPost.json()]).toEqual([200, { data: { me: { id: user.id } } }]);
    const byGet = await fetch(`${api.url}/graphql?query={me{id}}`, { headers: user.headers });
    expect(await byGet.json()).toEqual({ data: { me: { id: user.id } } });
    const mutation = await fetch(
      `${api.url}/graphql?query=${encodeURIComponent('mutation { createTasks(inputs: []) { id } }')}`,
      { headers: user.headers },
    );
    expect(mutation.status).toBe(405);
  });

  test('shows GraphiQL to browsers, without loading anything from elsewhere', async () => {
    const page = await fetch(`${api.url}/graphql`, { headers: { accept: 'text/html' } });
    const html = await page.text();
    expect(page.headers.get('content-type')).toMatch('text/html');
    expect(html).toContain('TaskFlow');
    expect(html).not.toMatch(/<(script|link)[^>]+(src|href)="https?:/);
  });

  test.each([
    ['a body that is no JSON', '{nope'],
    ['a body that is no object', '7'],
    ['a body without a query', '{}'],
    ['a query that is no text', '{"query":7}'],
    ['variables that are no object', '{"query":"{ me { id } }","variables":"x"}'],
    ['a document that is no GraphQL', '{"query":"{"}'],
    ['an unknown field', '{"query":"{ nope }"}'],
    ['an unknown operation', '{"query":"query A { me { id } }","operationName":"B"}'],
  ])('refuses %s with BAD_USER_INPUT, and never with 500', async (_what, body) => {
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const answer = await post(body, { ...user.headers, accept });
      expect(answer.status).toBeLessThanOrEqual(400);
      expect(errorOf(await answer.json())).toEqual({ code: 'BAD_USER_INPUT' });
    }
  });

  test.each([
    ['at once', 'x'.repeat(100_001)],
    ['in chunks of unknown length', new Blob(['x'.repeat(60_000), 'x'.repeat(60_000)]).stream()],
  ])('refuses a body that is too large, sent %s', async (_how, body) => {
    const answer = await post(body, {}, { duplex: 'half' });
    expect(answer.status).toBe(413);
    expect(errorOf(await answer.json())).toEqual({ code: 'PAYLOAD_TOO_LARGE', limit: 100_000 });
  });

  test('takes no batches', async () => {
    const answer = await post('[{"query":"{ me { id } }"},{"query":"{ me { id } }"}]', user.headers);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });
});

describe('starting', () => {
  test('says in one line that its port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    await expect(startApi({ ...app.config, PORT: port }, silent)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: `Port ${port} is in use; set PORT to another one.`,
    });
    other.close();
  });
});

describe('closing', () => {
  test('finishes requests that are under way, and tells subscribers to come back', async () => {
    const other = await startApi(app.config, silent);
    await waitFor(async () => (await other.checkReadiness()).isReady, { what: 'a connection to Redis' });
    const closes: number[] = [];
    const client = connect(other.url, user.headers, {
      on: { closed: (event) => closes.push((event as CloseEvent).code) },
    });
    const socket = watch(client, 'subscription { queueUpdated(name: "x") { name } }');
    await socket.take(1);
    const events = await fetch(`${other.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...user.headers },
      body: JSON.stringify({ query: 'subscription { taskChanges { cursor } }' }),
    });
    const requests = Array.from({ length: 20 }, () =>
      fetch(`${other.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...user.headers },
        body: JSON.stringify({ query: 'mutation { login(input: { identifier: "nobody", password: "x" }) { token } }' }),
      }),
    );
    // The first answer shows that they have arrived: hashing takes turns.
    await Promise.race(requests);
    const closed = other.close();
    const answers = await Promise.allSettled(requests);
    await closed;
    const arrived = answers.filter((answer) => answer.status === 'fulfilled');
    expect(arrived.length).toBeGreaterThan(0);
    for (const { value } of arrived) expect((await value.json()).errors[0].extensions.code).toBe('UNAUTHENTICATED');
    await expect(socket.next()).rejects.toMatchObject({ code: 1012 });
    expect(closes).toEqual([1012]);
    expect(await events.text()).toContain('"code":"UNAVAILABLE"');
    await expect(fetch(`${other.url}/healthz`)).rejects.toThrow();
  });

  test('serves on for a while after it was told to stop, and says that it is about to', async () => {
    const other = await startApi({ ...app.config, PORT: 0, SHUTDOWN_DRAIN_MS: 1_000 }, silent);
    const ask = (path: string) => fetch(`${other.url}${path}`);
    expect((await ask('/readyz')).headers.get('connection')).toBe('keep-alive');
    const closed = other.close();
    const [readiness, operation] = await Promise.all([
      ask('/readyz'),
      fetch(`${other.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"query":"{ __typename }"}',
      }),
    ]);
    expect(readiness.status).toBe(503);
    expect(await readiness.json()).toEqual({ isReady: false, parts: { process: 'stopping' } });
    expect(operation.status).toBe(200);
    expect(operation.headers.get('connection')).toBe('close');
    await closed;
    await expect(ask('/healthz')).rejects.toThrow();
  });
});
