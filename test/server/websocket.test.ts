import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { realtimeChannel } from '../../src/broker/keys.ts';
import { QueueWatcher } from '../../src/queues/watch-queues.ts';
import type { Change } from '../../src/realtime/change.ts';
import { channelOfOwner, publishChanges } from '../../src/realtime/publish.ts';
import { PASSWORD, type TestUser } from '../support/api.ts';
import { type ServedApi, setupServedApi } from '../support/served-api.ts';
import { waitFor } from '../support/setup.ts';
import { connect, openRaw, watch } from '../support/sockets.ts';

let { app, api, user, close } = {} as ServedApi;

beforeAll(async () => {
  ({ app, api, user, close } = await setupServedApi());
});
afterAll(() => close());

const ME = '{ me { id } }';

describe('a socket', () => {
  test.each([['Authorization'], ['authorization'], ['AUTHORIZATION']])(
    'is let in by the token under %s',
    async (name) => {
      const client = connect(api.url, { [name]: user.headers.authorization });
      expect(await watch(client, ME).take(1)).toEqual([{ id: user.id }]);
    },
  );

  test.each([['X-API-Key'], ['x-api-key']])('is let in by an API key under %s', async (name) => {
    const key = await app.keyOf(user);
    const client = connect(api.url, { [name]: key['x-api-key'] });
    expect(await watch(client, ME).take(1)).toEqual([{ id: user.id }]);
  });

  test('logs in as what its request says that it is, and where from', async () => {
    class Browser extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol, { headers: { 'user-agent': 'a browser' } });
      }
    }
    const client = connect(api.url, {}, { webSocketImpl: Browser });
    const login = 'mutation ($i: String!, $p: String!) { login(input: { identifier: $i, password: $p }) { token } }';
    const [{ token }] = await watch(client, login, { i: user.email, p: PASSWORD }).take(1);
    const own = connect(api.url, { authorization: `Bearer ${token}` });
    const [sessions] = await watch(own, '{ sessions { isCurrent userAgent address } }').take(1);
    expect(sessions[0]).toEqual({ isCurrent: true, userAgent: 'a browser', address: '127.0.0.1' });
  });

  test('is closed with 4401 for wrong credentials', async () => {
    const { closed } = await openRaw(api.url, { authorization: 'Bearer x.y.z' });
    expect(await closed).toBe(4401);
  });

  test('may be open without credentials; fields say what they need', async () => {
    const { start, until, messages } = await openRaw(api.url, {});
    await until('connection_ack');
    start('1', 'subscription { taskChanges { cursor } }');
    await until('complete');
    const refused = messages.find(({ id }) => id === '1');
    expect(JSON.stringify(refused)).toContain('"code":"UNAUTHENTICATED"');
  });

  test('carries errors of documents as those of their operations', async () => {
    const { start, messages, until } = await openRaw(api.url, {});
    await until('connection_ack');
    start('1', '{');
    start('2', '{ nope }');
    const errors = await waitFor(() => {
      const found = messages.filter(({ type }) => type === 'error');
      return found.length === 2 && found;
    });
    for (const { payload } of errors) expect(payload?.[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
  });

  test('is closed with 4401 once its key is revoked', async () => {
    const key = await app.keyOf(user);
    const { closed, until } = await openRaw(api.url, key);
    await until('connection_ack');
    const { data } = await user.call('{ apiKeys { id } }');
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: data.apiKeys[0].id });
    expect(await closed).toBe(4401);
  });

  test('shares one subscription to Redis with all others of the same user', async () => {
    const clients = Array.from({ length: 3 }, () => connect(api.url, user.headers));
    const watches = clients.flatMap((client) =>
      Array.from({ length: 5 }, () => watch(client, 'subscription { taskChanges { cursor } }')),
    );
    let begun = 0;
    for (const each of watches) void each.take(1).then(() => begun++);
    await waitFor(async () => {
      await user.call('mutation { createTask(input: { type: "x" }) { id } }');
      return begun === watches.length;
    });
    const channel = realtimeChannel(app.config.REDIS_KEY_PREFIX, 'low', channelOfOwner(user.id));
    expect(await app.broker.low.redis.pubsub('NUMSUB', channel)).toEqual([channel, 1]);
  });

  test.each(['stops an operation', 'is cut'])('leaves nothing behind when its client %s', async (how) => {
    const spy = vi.spyOn(QueueWatcher.prototype, 'watch');
    const { socket, start, until } = await openRaw(api.url, user.headers);
    await until('connection_ack');
    start('1', 'subscription { queueUpdated(name: "left") { name } }');
    await until('next');
    if (how === 'is cut') socket.terminate();
    else socket.send(JSON.stringify({ type: 'complete', id: '1' }));
    const mailbox = await spy.mock.results[0]?.value;
    expect(await mailbox.next()).toMatchObject({ done: true });
    spy.mockRestore();
    socket.terminate();
  });
});

describe('a client that stops reading', () => {
  const MIB = 1024 * 1024;

  /** Publishes changes of a megabyte each, as if recorded, one after the other. */
  const flood = async (owner: TestUser, count: number): Promise<void> => {
    const data = JSON.stringify({ message: 'x'.repeat(MIB) });
    for (let position = 1; position <= count; position++) {
      const change: Change = {
        ownerId: owner.id,
        position,
        taskId: uuidv7(),
        seq: 2,
        status: 'FAILED',
        attempt: 1,
        queue: 'q',
        type: 't',
        workerId: 'w',
        atMs: Date.now(),
        runAtMs: undefined,
        data,
      };
      await publishChanges(app.broker, app.broker.low, [change]);
    }
  };

  const QUERY = 'subscription { taskChanges(where: { status: [FAILED] }) { cursor event { detail } } }';

  /** Subscribes so often, and makes sure that the server listens. */
  const beginReading = async (owner: TestUser, count: number) => {
    const raw = await openRaw(api.url, owner.headers);
    await raw.until('connection_ack');
    for (let i = 0; i < count; i++) raw.start(String(i), QUERY);
    const channel = realtimeChannel(app.config.REDIS_KEY_PREFIX, 'low', channelOfOwner(owner.id));
    await waitFor(async () => Number((await app.broker.low.redis.pubsub('NUMSUB', channel))[1]) > 0);
    // What is answered after them shows that they have begun.
    raw.start('last', ME);
    await raw.until('complete');
    return raw;
  };

  test('is cut off with SLOW_CONSUMER when too much waits for its subscription', async () => {
    const owner = await app.user();
    const raw = await beginReading(owner, 1);
    raw.socket.pause();
    await flood(owner, 80);
    raw.socket.resume();
    const error = await raw.until('error');
    expect(error.payload?.[0]).toMatchObject({ extensions: { code: 'SLOW_CONSUMER', limit: 64 * MIB } });
    expect(raw.messages.filter(({ type, id }) => type === 'next' && id === '0').length).toBeLessThan(16);
    raw.socket.terminate();
  });

  test('is cut off with 4413 when too much waits in its socket', async () => {
    const owner = await app.user();
    const raw = await beginReading(owner, 40);
    raw.socket.pause();
    await flood(owner, 2);
    // The server has written what the system takes, and then has given up on this socket; the rest can be read.
    raw.socket.resume();
    expect(await raw.closed).toBe(4413);
  });
});
