import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Credentials } from '../../src/accounts/authenticate.ts';
import { OpenSessions } from '../../src/accounts/open-sessions.ts';
import type { Principal } from '../../src/accounts/principal.ts';
import { revocationsChannel } from '../../src/broker/keys.ts';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { waitFor } from '../support/setup.ts';

let app: ApiApp;
/** Another node than the one that `app.call` asks. */
let api: Api;

beforeAll(async () => {
  app = await setupApi();
  api = await startApi(app.config, silent);
  const channel = revocationsChannel(app.config.REDIS_KEY_PREFIX, 'high');
  await waitFor(async () => Number((await app.broker.high.redis.pubsub('NUMSUB', channel))[1]) === 2, {
    what: 'both nodes listen',
  });
});
afterAll(async () => {
  await api.close();
  await app.close();
});

const SUBSCRIBE = 'subscription { taskChanges { cursor } }';

/** A socket with a subscription that has begun. */
const openSocket = async (params: Record<string, string>) => {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  const types: string[] = [];
  socket.on('message', (data) => types.push(JSON.parse(String(data)).type));
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  const send = (message: object) => socket.send(JSON.stringify(message));
  await new Promise((resolve) => socket.once('open', resolve));
  send({ type: 'connection_init', payload: params });
  await waitFor(() => types.includes('connection_ack'));
  send({ type: 'subscribe', id: '1', payload: { query: SUBSCRIBE } });
  // What is answered after it shows that it has begun.
  send({ type: 'subscribe', id: '2', payload: { query: '{ __typename }' } });
  await waitFor(() => types.includes('complete'));
  return { socket, closed };
};

/** A stream of events of a subscription; `text` settles at its end. */
const openStream = async (headers: Record<string, string>) => {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query: SUBSCRIBE }),
  });
  expect(response.status).toBe(200);
  return { text: response.text() };
};

const principalOf = async (credentials: Credentials): Promise<Principal> => {
  const principal = await app.services.authenticator.authenticate(credentials);
  if (!principal) throw new Error("these credentials are nobody's");
  return principal;
};

const lastKey = async (user: TestUser): Promise<string> => (await user.call('{ apiKeys { id } }')).data.apiKeys[0].id;

/** How long something took, in ms. */
const elapsed = async (work: Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work;
  return performance.now() - start;
};

describe('revoking an API key', () => {
  test('closes its sockets on another node, and leaves those of other credentials', async () => {
    const user = await app.user();
    const key = await app.keyOf(user);
    const [revoked, other] = await Promise.all([openSocket(key), openSocket(user.headers)]);
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: await lastKey(user) });
    expect(await revoked.closed).toBe(4401);
    expect(other.socket.readyState).toBe(WebSocket.OPEN);
  });

  test('reaches another node by a message, without its regular checks', async () => {
    const spy = vi.spyOn(OpenSessions.prototype, 'check').mockResolvedValue();
    onTestFinished(() => void spy.mockRestore());
    const user = await app.user();
    const key = await app.keyOf(user);
    const [{ closed }, { text }] = await Promise.all([openSocket(key), openStream(key)]);
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: await lastKey(user) });
    expect(await closed).toBe(4401);
    expect(await text).toMatch(/"code":"UNAUTHENTICATED"/);
  });

  test('ends its streams of events with the error', async () => {
    const user = await app.user();
    const { text } = await openStream(await app.keyOf(user));
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: await lastKey(user) });
    expect(await text).toMatch(/"code":"UNAUTHENTICATED"/);
    expect(await text).toMatch(/event: complete/);
  });

  test('ends sockets and streams within a second or so when the message is lost', async () => {
    const user = await app.user();
    const key = await app.keyOf(user);
    const [{ closed }, { text }] = await Promise.all([openSocket(key), openStream(key)]);
    await app.database.apiKey.update({ where: { id: await lastKey(user) }, data: { revokedAt: new Date() } });
    expect(await elapsed(Promise.all([closed, text]))).toBeLessThan(5_000);
    expect(await closed).toBe(4401);
  });
});

describe('an API key that is replaced', () => {
  test('ends what is open with it when the overlap is over', async () => {
    const user = await app.user();
    const key = await app.keyOf(user);
    const principal = await principalOf({ authorization: undefined, apiKey: key['x-api-key'] });
    const ended: Error[] = [];
    app.services.sessions.add({ principal, expire: (reason) => void ended.push(reason) });
    const id = await lastKey(user);
    await user.call('mutation ($id: ID!) { rotateApiKey(id: $id, overlapMinutes: 5) { secret } }', { id });
    await app.services.sessions.check();
    expect(ended).toEqual([]);
    await app.database.apiKey.update({ where: { id }, data: { expiresAt: new Date() } });
    await waitFor(() => ended.length > 0);
    expect(ended).toMatchObject([{ code: 'UNAUTHENTICATED' }]);
  });

  test('ends at once without an overlap', async () => {
    const user = await app.user();
    const { closed } = await openSocket(await app.keyOf(user));
    await user.call('mutation ($id: ID!) { rotateApiKey(id: $id, overlapMinutes: 0) { secret } }', {
      id: await lastKey(user),
    });
    expect(await closed).toBe(4401);
  });
});

describe('a token', () => {
  test('that was issued before the password changed ends with its sockets and streams', async () => {
    const user = await app.user();
    const [{ closed }, { text }] = await Promise.all([openSocket(user.headers), openStream(user.headers)]);
    const { data } = await user.call(
      'mutation ($current: String!) { changePassword(current: $current, new: "another password") { token } }',
      { current: PASSWORD },
    );
    expect(await closed).toBe(4401);
    expect(await text).toMatch(/"code":"UNAUTHENTICATED"/);
    const { socket } = await openSocket({ authorization: `Bearer ${data.changePassword.token}` });
    expect(socket.readyState).toBe(WebSocket.OPEN);
  });

  test('ends what is open with it when it expires', async () => {
    const user = await app.user();
    const principal = await principalOf({ authorization: user.headers.authorization, apiKey: undefined });
    const expiresAtMs = Date.now() + 300;
    const endedAt = await new Promise<number>((resolve) =>
      app.services.sessions.add({ principal: { ...principal, expiresAtMs }, expire: () => resolve(Date.now()) }),
    );
    expect(endedAt).toBeGreaterThanOrEqual(expiresAtMs);
  });

  test('of a deleted account ends with its sockets and those of its keys', async () => {
    const user = await app.user();
    const sockets = [await openSocket(user.headers), await openSocket(await app.keyOf(user))];
    await user.call('mutation ($password: String!) { deleteAccount(password: $password) }', { password: PASSWORD });
    for (const { closed } of sockets) expect(await closed).toBe(4401);
  });
});

describe('a demoted admin', () => {
  test('loses what is open with an admin reach', async () => {
    const admin = await app.admin();
    const { closed } = await openSocket(admin.headers);
    await app.database.user.update({ where: { id: admin.id }, data: { isAdmin: false } });
    expect(await closed).toBe(4401);
  });
});
