import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { waitFor } from '../support/setup.ts';
import { connect, watch } from '../support/sockets.ts';

const ME = '{ me { id } }';
/** What an honest client may have to wait, on a busy machine and in the same process as the flood: less than a timeout. */
const RESPONSIVE_MS = 8_000;

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
});
afterAll(() => app.close());

/** An api of the test's own, with other settings. */
const start = async (settings: Partial<typeof app.config>): Promise<Api & AsyncDisposable> => {
  const api = await startApi({ ...app.config, ...settings }, silent);
  return { ...api, [Symbol.asyncDispose]: () => api.close() };
};

const open = (api: Api, options = {}): WebSocket => {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', options);
  socket.on('error', () => {});
  return socket;
};

/** The close code, or the HTTP status of a socket that was not let in. */
const endOf = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => {
    socket.once('close', resolve);
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
  });

const answersInTime = async (api: Api): Promise<void> => {
  const startedAt = performance.now();
  expect(await watch(connect(api.url, user.headers), ME).take(1)).toEqual([{ id: user.id }]);
  expect((await fetch(`${api.url}/healthz`)).ok).toBe(true);
  expect(performance.now() - startedAt).toBeLessThan(RESPONSIVE_MS);
};

describe('a thousand sockets that never say hello', () => {
  test('hold up nobody, and are dropped after ten seconds', async () => {
    await using api = await start({});
    const sockets = Array.from({ length: 1_000 }, () => open(api));
    const ends = sockets.map(endOf);
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    for (let i = 0; i < 5; i++) await answersInTime(api);
    expect(new Set(await Promise.all(ends))).toEqual(new Set([4408]));
    await answersInTime(api);
  });

  test('crowd out themselves where fewer are allowed', async () => {
    await using api = await start({ MAX_WAITING_SOCKETS: 50 });
    let dropped = 0;
    const sockets = Array.from({ length: 1_000 }, () => open(api));
    for (const socket of sockets) void endOf(socket).then(() => dropped++);
    const talkers = Promise.all(Array.from({ length: 5 }, () => answersInTime(api)));
    await Promise.all([talkers, waitFor(() => dropped === 950, { what: 'all but the last fifty are dropped' })]);
    for (const socket of sockets) socket.terminate();
  });
});

describe('a socket', () => {
  test('is refused with 503 when there are too many', async () => {
    await using api = await start({ MAX_SOCKETS: 3 });
    const sockets = Array.from({ length: 3 }, () => open(api));
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    expect(await endOf(open(api))).toBe(503);
    sockets[0]?.terminate();
    await waitFor(async () => {
      const socket = open(api);
      return Promise.race([once(socket, 'open'), endOf(socket).then(() => false)]);
    });
  });

  test('runs so many operations and no more, until one has ended', async () => {
    await using api = await start({ MAX_SUBSCRIPTIONS_PER_SOCKET: 2 });
    const client = connect(api.url, user.headers);
    const subscription = 'subscription { queueUpdated(name: "x") { name } }';
    const [first] = [watch(client, subscription), watch(client, subscription)];
    await first?.take(1);
    await expect(watch(client, ME).next()).rejects.toMatchObject([
      { extensions: { code: 'RATE_LIMITED', limit: 2 }, message: /^At most 2 operations/ },
    ]);
    await first?.stop();
    await waitFor(
      async () =>
        (
          await watch(client, ME)
            .next()
            .catch(() => undefined)
        )?.data,
    );
  });

  test('is closed when a message is too large', async () => {
    await using api = await start({ MAX_REQUEST_BYTES: 10_000 });
    const socket = open(api);
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { x: 'x'.repeat(10_000) } }));
    expect(await endOf(socket)).toBe(1009);
  });

  test.each([
    ['no JSON', '{'],
    ['no message', '{"type":"hello"}'],
    ['bytes', Buffer.from([0xff, 0, 0xff])],
    ['a key of a prototype', '{"type":"connection_init","payload":7,"__proto__":{"type":"x"}}'],
  ])('that sends %s is closed, and the server goes on', async (_what, message) => {
    await using api = await start({});
    const socket = open(api);
    await once(socket, 'open');
    socket.send(message);
    expect(await endOf(socket)).toBe(4400);
    await answersInTime(api);
  });

  test('is not compressed', async () => {
    await using api = await start({});
    const socket = open(api, { perMessageDeflate: true });
    await once(socket, 'open');
    expect(socket.extensions).toBe('');
    socket.terminate();
  });
});

describe('a page of another site', () => {
  test.each<[origin: string | undefined, allowed: string[], outcome: number | 'open']>([
    [undefined, [], 'open'],
    ['https://evil.example', [], 403],
    ['null', [], 403],
    ['https://evil.example', ['https://good.example'], 403],
    ['https://good.example.evil.example', ['https://good.example'], 403],
    ['http://good.example', ['https://good.example'], 403],
    ['https://good.example', ['https://good.example'], 'open'],
    ['https://evil.example', ['*'], 'open'],
  ])('of origin %s, where %j may, gets: %s', async (origin, CORS_ORIGINS, outcome) => {
    await using api = await start({ CORS_ORIGINS });
    const socket = open(api, origin === undefined ? {} : { origin });
    const opened = once(socket, 'open').then(() => 'open');
    opened.catch(() => {});
    expect(await Promise.race([opened, endOf(socket)])).toBe(outcome);
    socket.terminate();
  });

  test('is told from one of the same origin', async () => {
    await using api = await start({});
    const socket = open(api, { origin: api.url });
    await once(socket, 'open');
    socket.terminate();
  });
});
