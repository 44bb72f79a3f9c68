import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { startPrivateRedis, waitFor } from '../support/setup.ts';
import { connect, watch } from '../support/sockets.ts';

const PER_ADDRESS = 6;
const PER_USER = 8;
/** More than requests: those are not what ends first. */
const SOCKET_READS = 12;
const SETTINGS = {
  RATE_LIMIT_PER_HOUR: String(PER_ADDRESS),
  USER_RATE_LIMIT_PER_HOUR: String(PER_USER),
  TRUSTED_PROXIES: '127.0.0.1',
};

let app: ApiApp;
let api: Api;

beforeAll(async () => {
  app = await setupApi();
  api = await startApi(
    {
      ...app.config,
      RATE_LIMIT_PER_HOUR: PER_ADDRESS,
      USER_RATE_LIMIT_PER_HOUR: PER_USER,
      USER_SOCKET_READS_PER_HOUR: SOCKET_READS,
      TRUSTED_PROXIES: ['127.0.0.1'],
    },
    silent,
  );
  // Until Redis is connected, each process counts for itself.
  await waitFor(async () => (await fetch(`${api.url}/readyz`)).ok);
});
afterAll(async () => {
  await api.close();
  await app.close();
});

let addresses = 0;
const newAddress = (): string => `203.0.113.${++addresses}`;

interface Request {
  query?: string;
  headers?: Record<string, string>;
  path?: string;
  address?: string;
}

const ask = async ({ query = '{ __typename }', headers = {}, path = '/graphql', address = newAddress() }: Request) => {
  const answer = await fetch(`${api.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': address, ...headers },
    body: JSON.stringify({ query }),
  });
  const header = (name: string): number | null => {
    const value = answer.headers.get(name);
    return value === null ? null : Number(value);
  };
  const limits = ['limit', 'remaining', 'reset'].map((name) => header(`ratelimit-${name}`));
  return { status: answer.status, limits, retryAfter: header('retry-after'), text: await answer.text() };
};

const statuses = async (count: number, request: Request): Promise<number[]> => {
  const found = [];
  for (let i = 0; i < count; i++) found.push((await ask(request)).status);
  return found;
};

const ofFirst = (count: number, all: number): number[] => [...Array(count).fill(200), ...Array(all - count).fill(429)];

const within = expect.toSatisfy((seconds: number) => seconds > 3_580 && seconds <= 3_600);

const refusedAfter = (limit: number) => [
  { message: expect.any(String), extensions: { code: 'RATE_LIMITED', limit, retryAfter: within } },
];

// The first path is that of plain POSTs, the second one that of all other requests.
describe.each(['/graphql', '/graphql?'])('requests at %s', (path) => {
  test('without credentials are limited by address, and told so', async () => {
    const address = newAddress();
    expect(await ask({ path, address })).toMatchObject({
      status: 200,
      limits: [PER_ADDRESS, PER_ADDRESS - 1, within],
      retryAfter: null,
    });
    expect(await statuses(PER_ADDRESS, { path, address })).toEqual(ofFirst(PER_ADDRESS - 1, PER_ADDRESS));
    const refused = await ask({ path, address });
    expect(refused).toMatchObject({ status: 429, limits: [PER_ADDRESS, 0, within], retryAfter: within });
    expect(errorOf(JSON.parse(refused.text))).toEqual({ code: 'RATE_LIMITED', limit: PER_ADDRESS, retryAfter: within });
    expect((await ask({ path })).status).toBe(200);
  });

  test('with a login are limited by user, wherever they come from', async () => {
    const { headers } = await app.user();
    expect(await ask({ path, headers })).toMatchObject({ limits: [PER_USER, PER_USER - 1, within] });
    expect(await statuses(PER_USER, { path, headers })).toEqual(ofFirst(PER_USER - 1, PER_USER));
  });

  test('count whether or not they can be carried out', async () => {
    const address = newAddress();
    for (const query of [
      '{',
      '{ nope }',
      '{ me { id } }',
      'mutation { login(input: { identifier: "x", password: "x" }) { token } }',
    ])
      await ask({ path, address, query });
    expect(await ask({ path, address })).toMatchObject({ limits: [PER_ADDRESS, PER_ADDRESS - 5, within] });
  });

  test('with wrong credentials are limited by address', async () => {
    const request = { path, address: newAddress(), headers: { authorization: 'Bearer x' } };
    expect(await statuses(PER_ADDRESS + 1, request)).toEqual([...Array(PER_ADDRESS).fill(401), 429]);
  });

  test('for many tasks at once count as one', async () => {
    const { headers } = await app.user();
    const query = `mutation { createTasks(inputs: [${'{ type: "x" } '.repeat(100)}]) { id } }`;
    expect(await ask({ path, headers, query })).toMatchObject({
      status: 200,
      limits: [PER_USER, PER_USER - 1, within],
    });
  });
});

describe('an API key with a limit of its own', () => {
  const withKey = async (user: TestUser, rateLimitPerHour: number) => {
    const create = 'mutation ($n: Int) { createApiKey(input: { name: "x", rateLimitPerHour: $n }) { secret } }';
    const { data } = await user.call(create, { n: rateLimitPerHour });
    return { 'x-api-key': data.createApiKey.secret as string };
  };

  test('is limited by that, and counts for its user, too', async () => {
    const user = await app.user();
    const headers = await withKey(user, 3);
    expect(await statuses(5, { headers })).toEqual(ofFirst(3, 5));
    expect(await ask({ headers: user.headers })).toMatchObject({ limits: [PER_USER, PER_USER - 4, within] });
  });

  test('above the usual one, which an admin gives, is limited by that alone', async () => {
    const admin = await app.admin();
    const headers = await withKey(admin, PER_USER + 2);
    expect(await statuses(PER_USER + 3, { headers })).toEqual(ofFirst(PER_USER + 2, PER_USER + 3));
  });
});

describe('other ways to ask', () => {
  test('by GET and by Server-Sent Events are limited, too', async () => {
    const { headers } = await app.user();
    const get = (accept: string) => fetch(`${api.url}/graphql?query={me{id}}`, { headers: { ...headers, accept } });
    const found = [];
    for (let i = 0; i < PER_USER + 1; i++) found.push(await get(i % 2 ? 'text/event-stream' : 'application/json'));
    expect(found.map(({ status }) => status)).toEqual(ofFirst(PER_USER, PER_USER + 1));
    expect(found[1]?.headers.get('ratelimit-remaining')).toBe(String(PER_USER - 2));
  });

  test('by a socket with an API key are limited, a subscription as one, and nothing else', async () => {
    const user = await app.user();
    const headers = await app.keyOf(user);
    const client = connect(api.url, headers);
    const subscription = watch(client, 'subscription { taskChanges { cursor } }');
    void subscription.next().catch(() => undefined);
    for (let i = 0; i < PER_USER - 1; i++) await watch(client, '{ me { id } }').take(1);
    for (let i = 0; i < 3; i++) await user.call('mutation { createTask(input: { type: "x" }) { id } }');
    await expect(watch(client, '{ me { id } }').next()).rejects.toEqual(refusedAfter(PER_USER));
    await subscription.stop();
    expect(await ask({ headers })).toMatchObject({ status: 429 });
  });

  test('by a socket with a login are counted apart where they only read', async () => {
    const { headers } = await app.user();
    const client = connect(api.url, headers);
    for (let i = 0; i < SOCKET_READS - 1; i++) await watch(client, '{ me { id } }').take(1);
    const subscription = watch(client, 'subscription { taskUpdated(id: "42") { id } }');
    expect(await subscription.next()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
    await expect(watch(client, '{ me { id } }').next()).rejects.toEqual(refusedAfter(SOCKET_READS));
    // Of its requests, none is used up.
    expect(await ask({ headers })).toMatchObject({ status: 200, limits: [PER_USER, PER_USER - 1, within] });
  });

  test.each([
    ['mutations', 'mutation { createTask(input: { type: "x" }) { id } }'],
    ['documents that cannot be read', '{'],
    ['documents that do not say which operation is meant', 'query A { me { id } } query B { me { id } }'],
  ])('by a socket with a login count as requests where they are %s', async (_what, query) => {
    const { headers } = await app.user();
    const client = connect(api.url, headers);
    await watch(client, query)
      .next()
      .catch(() => undefined);
    expect(await ask({ headers })).toMatchObject({ status: 200, limits: [PER_USER, PER_USER - 2, within] });
  });

  test('for health and for GraphiQL are not limited', async () => {
    const address = newAddress();
    await statuses(PER_ADDRESS + 1, { address });
    const headers = { 'x-forwarded-for': address, accept: 'text/html' };
    expect((await fetch(`${api.url}/healthz`, { headers })).status).toBe(200);
    expect((await fetch(`${api.url}/graphql`, { headers })).status).toBe(200);
  });
});

describe('while Redis is away', () => {
  test('each process counts for itself: nobody is locked out, and nobody gets all', async () => {
    await using redis = await startPrivateRedis();
    await using outage = await setupApi({ redis, settings: SETTINGS });
    const headers = (await outage.user()).headers;
    await redis.stop();
    const codes = [];
    for (let i = 0; i < PER_USER + 2; i++) codes.push((await outage.call('{ me { id } }', {}, headers)).status);
    expect(codes).toEqual(ofFirst(PER_USER, PER_USER + 2));
  });
});
