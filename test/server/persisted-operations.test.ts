import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { spawnProcess } from '../support/setup.ts';
import { connect } from '../support/sockets.ts';

const ME = 'query Me { me { id } }';
const CREATE = 'mutation Create($type: String!) { createTask(input: { type: $type }) { type } }';
const QUEUE = 'subscription Queue($name: String!) { queueUpdated(name: $name) { name } }';
const hashOf = (document: string): string => createHash('sha256').update(document).digest('hex');

let app: ApiApp;
let api: Api;
let user: TestUser;
let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taskflow-persisted-'));
  file = join(folder, 'operations.json');
  await writeFile(file, JSON.stringify(Object.fromEntries([ME, CREATE, QUEUE].map((each) => [hashOf(each), each]))));
  app = await setupApi();
  api = await startApi({ ...app.config, PERSISTED_OPERATIONS: file }, silent);
  user = await app.user();
});
afterAll(async () => {
  await api.close();
  await app.close();
  await rm(folder, { recursive: true });
});

const extensions = (document: string) => ({ persistedQuery: { version: 1, sha256Hash: hashOf(document) } });

const post = async (body: object, path = '/graphql') => {
  const headers = { 'content-type': 'application/json', ...user.headers };
  return (await fetch(`${api.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
};

/** The first result, or what it is refused with. */
const overSocket = async (payload: {
  query: string;
  variables?: Record<string, unknown>;
  extensions?: Record<string, unknown>;
}) => {
  const results = connect(api.url, user.headers).iterate(payload);
  const { value } = await results.next();
  await results.return?.();
  return value;
};

describe('a registered operation', () => {
  test('runs by its hash, over HTTP', async () => {
    expect(await post({ extensions: extensions(ME) })).toEqual({ data: { me: { id: user.id } } });
    expect(await post({ extensions: extensions(CREATE), variables: { type: 'x' } })).toEqual({
      data: { createTask: { type: 'x' } },
    });
    const search = new URLSearchParams({ extensions: JSON.stringify(extensions(ME)) });
    const byGet = await fetch(`${api.url}/graphql?${search}`, { headers: user.headers });
    expect(await byGet.json()).toEqual({ data: { me: { id: user.id } } });
    const changing = new URLSearchParams({ extensions: JSON.stringify(extensions(CREATE)), variables: '{"type":"x"}' });
    expect((await fetch(`${api.url}/graphql?${changing}`, { headers: user.headers })).status).toBe(405);
  });

  test('runs by its hash, over a socket', async () => {
    expect(await overSocket({ query: '', extensions: extensions(ME) })).toEqual({ data: { me: { id: user.id } } });
    const watched = await overSocket({ query: '', extensions: extensions(QUEUE), variables: { name: 'x' } });
    expect(watched).toEqual({ data: { queueUpdated: { name: 'x' } } });
  });
});

describe('any other operation', () => {
  test.each(['/graphql', '/graphql?'])('is refused at %s', async (path) => {
    expect(errorOf(await post({ query: ME }, path))).toEqual({ code: 'FORBIDDEN' });
    expect(errorOf(await post({ query: '{ __typename }', extensions: extensions(ME) }, path))).toEqual({
      code: 'FORBIDDEN',
    });
    const field = 'extensions.persistedQuery.sha256Hash';
    expect(errorOf(await post({ extensions: extensions('{ other }') }, path))).toEqual({
      code: 'BAD_USER_INPUT',
      field,
    });
    for (const strange of [
      {},
      { persistedQuery: null },
      { persistedQuery: { version: 2, sha256Hash: hashOf(ME) } },
      { persistedQuery: { version: 1, sha256Hash: '__proto__' } },
    ])
      expect(errorOf(await post({ extensions: strange }, path))).toEqual({ code: 'BAD_USER_INPUT', field });
  });

  test('is refused over a socket', async () => {
    await expect(overSocket({ query: ME })).rejects.toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    await expect(overSocket({ query: '', extensions: extensions('{ other }') })).rejects.toMatchObject([
      { message: 'PersistedQueryNotFound', extensions: { code: 'BAD_USER_INPUT' } },
    ]);
  });
});

describe('a file of operations', () => {
  test.each([
    ['that is not there', undefined, /is no JSON object/],
    ['that is no JSON', '{', /is no JSON object/],
    ['that holds something else', '{"a":{"b":1}}', /is no JSON object/],
    ['with a wrong hash', JSON.stringify({ [hashOf('{ a }')]: '{ b }' }), /should be/],
  ])('%s keeps the api from starting', async (_what, text, complaint) => {
    const bad = join(folder, 'bad.json');
    await rm(bad, { force: true });
    if (text !== undefined) await writeFile(bad, text);
    await expect(startApi({ ...app.config, PERSISTED_OPERATIONS: bad }, silent)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(complaint),
    });
  });

  test('may be given as an option of the command', async () => {
    const port = String(await freePort());
    const child = spawnProcess(['api', '--persisted', file], { ...app.env, PORT: port });
    await child.waitForOutput(/"msg":"started"/);
    const ask = async (body: object) => {
      const headers = { 'content-type': 'application/json', ...user.headers };
      return (
        await fetch(`http://127.0.0.1:${port}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) })
      ).json();
    };
    expect(errorOf(await ask({ query: ME }))).toEqual({ code: 'FORBIDDEN' });
    expect(await ask({ extensions: extensions(ME) })).toEqual({ data: { me: { id: user.id } } });
  });
});
