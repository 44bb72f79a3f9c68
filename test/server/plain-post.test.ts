import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { QueueWatcher } from '../../src/queues/watch-queues.ts';
import { type Api, startApi } from '../../src/server/api.ts';
import * as plainPost from '../../src/server/plain-post.ts';
import { type ApiApp, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { serveFront } from '../support/own-front.ts';
import { waitFor } from '../support/setup.ts';

let app: ApiApp;
let api: Api;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi({ settings: { MAX_REQUEST_BYTES: '50000' } });
  api = await startApi(app.config, silent);
  user = await app.user();
});
afterAll(async () => {
  await api.close();
  await app.close();
});

/** An answer without what differs each time. */
const ask = async (path: string, body: string, headers: Record<string, string>) => {
  const answer = await fetch(`${api.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, type: answer.headers.get('content-type'), body: text === '' ? '' : JSON.parse(text) };
};

const CREATE = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { status payload } }';
const LARGE = { query: '{ __typename }', variables: { x: 'x'.repeat(50_000) } };

describe('a plain POST', () => {
  test.each<[string, unknown, Record<string, string>?]>([
    ['a query', { query: '{ me { id } }' }],
    ['a query with null for the rest', { query: '{ me { id } }', variables: null, operationName: null }],
    ['one of two operations', { query: 'query A { a: __typename } query B { b: __typename }', operationName: 'B' }],
    ['none of two operations', { query: 'query A { a: __typename } query B { b: __typename }' }],
    ['an operation that is not there', { query: 'query A { a: __typename }', operationName: 'B' }],
    ['a mutation', { query: CREATE, variables: { input: { type: 'echo', payload: { ü: '€' } } } }],
    ['a field that fails', { query: CREATE, variables: { input: { type: 'echo', queue: '?' } } }],
    ['a field that fails beside one that does not', { query: '{ a: task(id: "x") { id } me { id } }' }],
    ['a variable of another type', { query: CREATE, variables: { input: 7 } }],
    ['an unknown field', { query: '{ nope }' }],
    ['a syntax error', { query: '{' }],
    ['an empty document', { query: '' }],
    ['no query', { variables: {} }],
    ['extensions', { query: '{ __typename }', extensions: { a: 1 } }],
    [
      'a subscription for a client that takes JSON only',
      { query: 'subscription { taskChanges { cursor } }' },
      { accept: 'application/json' },
    ],
    ['a batch', [{ query: '{ __typename }' }]],
    ['what is no object', 7],
    ['null', null],
    ['wrong credentials', { query: '{ __typename }' }, { authorization: 'Bearer x' }],
    ['no credentials', { query: '{ me { id } }' }, { authorization: '' }],
    ['two kinds of credentials', { query: '{ me { id } }' }, { 'x-api-key': 'tf_x' }],
    ['a body that is too large', LARGE],
    ['the type with a charset', { query: '{ __typename }' }, { 'content-type': 'application/json; charset=utf-8' }],
    ['another type', { query: '{ __typename }' }, { 'content-type': 'text/plain' }],
    [
      'a list of types for the answer',
      { query: '{ __typename }' },
      { accept: 'text/html, application/json;q=0.9, */*;q=0.1' },
    ],
    ['a type that the answer never has', { query: '{ __typename }' }, { accept: 'image/png' }],
  ])('gets the same answer as by the way of Yoga: %s', async (_what, body, headers = {}) => {
    const all = { ...user.headers, ...headers };
    const plain = await ask('/graphql', JSON.stringify(body), all);
    // A query string makes the request one that only Yoga takes.
    expect(plain).toEqual(await ask('/graphql?', JSON.stringify(body), all));
  });

  test("does not go Yoga's way, which takes more than twice the time", async () => {
    let byYoga = 0;
    const yoga = new Proxy(app.yoga, {
      get: (target, name) => {
        if (name === 'fetch') byYoga++;
        return Reflect.get(target, name);
      },
    });
    const server = await serveFront(app, yoga);
    onTestFinished(server.close);
    const post = async (query: string): Promise<string> => {
      const headers = { 'content-type': 'application/json', ...user.headers };
      return (await fetch(server.url, { method: 'POST', headers, body: JSON.stringify({ query }) })).text();
    };
    expect(await post('{ me { id } }')).toContain(user.id);
    expect(await post('mutation { createTask(input: { type: "x" }) { type } }')).toContain('"x"');
    expect(await post('{ task(id: "no id") { id } }')).toContain('BAD_USER_INPUT');
    expect(byYoga).toBe(0);
    expect(await post('{ nope }')).toContain('BAD_USER_INPUT');
    expect(byYoga).toBe(1);
  });

  test('gets the same answer for a body that is no JSON', async () => {
    for (const body of ['', '{', '\u0000']) {
      expect(await ask('/graphql', body, {})).toEqual(await ask('/graphql?', body, {}));
    }
  });

  test('may begin a subscription, which ends when its client goes', async () => {
    const spy = vi.spyOn(QueueWatcher.prototype, 'watch');
    const controller = new AbortController();
    const body = JSON.stringify({ query: 'subscription { queueUpdated(name: "x") { name } }' });
    const headers = { 'content-type': 'application/json', ...user.headers };
    const answer = await fetch(`${api.url}/graphql`, { method: 'POST', headers, body, signal: controller.signal });
    await answer.body?.getReader().read();
    controller.abort();
    const mailbox = await spy.mock.results[0]?.value;
    for (;;) if ((await mailbox.next()).done) break;
    spy.mockRestore();
  });

  test('is carried out once, though its client did not wait for the answer', async () => {
    const before = await app.database.task.count();
    const { hostname, port } = new URL(api.url);
    const body = JSON.stringify({ query: CREATE, variables: { input: { type: 'echo' } } });
    const head = [
      'POST /graphql HTTP/1.1',
      'Host: x',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      `Authorization: ${user.headers.authorization}`,
    ];
    const socket = connect(Number(port), hostname);
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
    await waitFor(async () => (await app.database.task.count()) > before);
    expect((await ask('/graphql', body, user.headers)).status).toBe(200);
    expect(await app.database.task.count()).toBe(before + 2);
  });

  test('that ends in the middle does no harm', async () => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"query"',
    );
    socket.destroySoon();
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  });

  test('is told from others by its method, path, types and size', () => {
    const request = (more: object, headers: object = {}) =>
      ({
        method: 'POST',
        url: '/graphql',
        ...more,
        headers: { 'content-type': 'application/json', 'content-length': '10', ...headers },
      }) as never;
    expect(plainPost.isPlainPost(request({}), 10)).toBe(true);
    expect(plainPost.isPlainPost(request({}), 9)).toBe(false);
    expect(plainPost.isPlainPost(request({ method: 'GET' }), 10)).toBe(false);
    expect(plainPost.isPlainPost(request({}, { 'content-length': undefined }), 10)).toBe(false);
    expect(plainPost.isPlainPost(request({}, { 'content-encoding': 'gzip' }), 10)).toBe(false);
    expect(
      plainPost.isPlainPost(request({}, { accept: 'application/graphql-response+json, application/json' }), 10),
    ).toBe(false);
    expect(plainPost.isPlainPost(request({}, { accept: 'text/event-stream' }), 10)).toBe(false);
  });
});
