import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { sendRaw } from '../support/raw-http.ts';

const MIB = 1024 * 1024;

let app: ApiApp;
let api: Api;
let user: TestUser;

beforeAll(async () => {
  // As it is by default, but quicker.
  app = await setupApi({ settings: { MAX_REQUEST_BYTES: String(2 * MIB), REQUEST_TIMEOUT_MS: '900' } });
  api = await startApi(app.config, silent);
  user = await app.user();
});
afterAll(async () => {
  await api.close();
  await app.close();
});

const JSON_TYPE = { 'content-type': 'application/json' };

const post = (body: string | Buffer, headers: Record<string, string> = {}, path = '/graphql') =>
  fetch(`${api.url}${path}`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...user.headers, ...headers },
    body: new Blob([new Uint8Array(Buffer.from(body))]),
  });

const isAlive = async (): Promise<boolean> => (await fetch(`${api.url}/healthz`)).ok;

// The first path is that of plain POSTs, the second one that of all other requests.
describe.each(['/graphql', '/graphql?'])('a body at %s', (path) => {
  test('with large variables is refused before it is read', async () => {
    const body = JSON.stringify({ query: '{ __typename }', variables: { x: 'x'.repeat(2 * MIB) } });
    const answer = await post(body, {}, path);
    expect(answer.status).toBe(413);
    expect(errorOf(await answer.json())).toEqual({ code: 'PAYLOAD_TOO_LARGE', limit: 2 * MIB });
  });

  test('with a large document is refused', async () => {
    const answer = await post(JSON.stringify({ query: `{ me { id } } #${'x'.repeat(2 * MIB)}` }), {}, path);
    expect(answer.status).toBe(413);
  });

  test('with ten thousand small tasks is taken', async () => {
    const payload = {
      orderId: 'f6c2b1aa-6f0d-4d0b-9a3e-0d5a8f7c9e21',
      customer: 'Ada Lovelace',
      amount: 12.5,
      items: 3,
    };
    const inputs = Array.from({ length: 10_000 }, () => ({ type: 'echo', payload }));
    const query = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }';
    const answer = await post(JSON.stringify({ query, variables: { inputs } }), {}, path);
    expect((await answer.json()).data.createTasks).toHaveLength(10_000);
  });

  test('with a batch is refused, and nothing of it is done', async () => {
    const before = await app.database.task.count();
    const create = { query: 'mutation { createTask(input: { type: "echo" }) { id } }' };
    for (const batch of [[create], [create, create], Array.from({ length: 1_000 }, () => create)]) {
      const answer = await post(JSON.stringify(batch), {}, path);
      expect(answer.status).toBe(400);
    }
    expect(await app.database.task.count()).toBe(before);
  });

  test.each([
    [
      'invalid UTF-8',
      Buffer.concat([Buffer.from('{"query":"{ me { id } } #'), Buffer.from([0xff, 0xc0]), Buffer.from('"}')]),
      200,
    ],
    ['invalid UTF-8 outside of texts', Buffer.from([0xff, 0xfe, 0x7b]), 200],
    ['UTF-16', Buffer.from('{"query":"{ me { id } }"}', 'utf16le'), 200],
    ['a deep array', `{"query":"{ me { id } }","variables":${'['.repeat(100_000)}`, 200],
    [
      'a deep array as a value',
      `{"query":"{ me { id } }","variables":{"x":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`,
      200,
    ],
    ['a huge number', `{"query":"{ me { id } }","variables":{"x":1${'0'.repeat(100_000)}}}`, 200],
    ['the same key twice', '{"query":"{ nope }","query":"{ me { id } }"}', 200],
  ])('with %s gets a proper answer', async (_what, body, status) => {
    const answer = await post(body, {}, path);
    expect(answer.status).toBe(status);
    const { data, errors } = await answer.json();
    if (errors) expect(errorOf({ errors })).toEqual({ code: 'BAD_USER_INPUT' });
    else expect(data).toEqual({ me: { id: user.id } });
  });

  test('that is deep JSON for a task is refused or taken, but does not crash', async () => {
    const payload = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const query = 'mutation ($payload: JSON) { createTask(input: { type: "echo", payload: $payload }) { id } }';
    const answer = await post(`{"query":${JSON.stringify(query)},"variables":{"payload":${payload}}}`, {}, path);
    expect(answer.status).toBeLessThan(500);
    expect(JSON.stringify(await answer.json())).not.toContain('INTERNAL');
    expect(await isAlive()).toBe(true);
  });
});

describe('a GET', () => {
  test.each([
    'mutation { createTask(input: { type: "get" }) { id } }',
    'query A { me { id } } mutation B { createTask(input: { type: "get" }) { id } }',
  ])('does nothing: %s', async (query) => {
    const search = new URLSearchParams({ query, operationName: 'B' });
    if (!query.includes('B')) search.delete('operationName');
    const answer = await fetch(`${api.url}/graphql?${search}`, { headers: user.headers });
    expect(answer.status).toBe(405);
    expect(await app.database.task.count({ where: { type: 'get' } })).toBe(0);
  });
});

describe('a client that sends slowly', () => {
  test('its headers is told that it took too long', async () => {
    expect(await sendRaw(api.url, ['POST /graphql HTTP/1.1\r\nHost: x\r\n'])).toMatch(/^HTTP\/1\.1 408 /);
    expect(await isAlive()).toBe(true);
  });

  test('its body is told that it took too long', async () => {
    const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n';
    expect(await sendRaw(api.url, [head, '{"query":'])).toMatch(/^HTTP\/1\.1 408 /);
    const chunked =
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await sendRaw(api.url, [chunked, '9\r\n{"query":\r\n'])).toMatch(/^HTTP\/1\.1 408 /);
    expect(await isAlive()).toBe(true);
  });

  test('nothing at all is cut off', async () => {
    await sendRaw(api.url, []);
    expect(await isAlive()).toBe(true);
  });
});

describe('a request', () => {
  test.each([
    ['headers that are too large', `GET /graphql HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['very many headers', `GET /graphql HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(20_000)}\r\n`, 431],
    ['a header that breaks its line', 'GET /graphql HTTP/1.1\r\nHost: x\r\nX-Api-Key: a\rSet-Cookie: b\r\n\r\n', 400],
    ['two lengths', 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}', 400],
    [
      'a length and chunks',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ])('with %s is refused', async (_what, text, status) => {
    expect(await sendRaw(api.url, [text])).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(await isAlive()).toBe(true);
  });
});
