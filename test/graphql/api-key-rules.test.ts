import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiKeyScope } from '../../src/accounts/principal.ts';
import { type ApiApp, errorOf, openNode, setupApi, type TestUser } from '../support/api.ts';
import { waitFor } from '../support/setup.ts';

let app: ApiApp;
let user: TestUser;
let admin: TestUser;

beforeAll(async () => {
  app = await setupApi({ settings: { USER_RATE_LIMIT_PER_HOUR: '5000' } });
  user = await app.user();
  admin = await app.admin();
});
afterAll(() => app.close());

const CREATE = `mutation ($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { secret apiKey { id scopes expiresAt rateLimitPerHour } }
}`;
const ROTATE = `mutation ($id: ID!, $overlapMinutes: Int!) {
  rotateApiKey(id: $id, overlapMinutes: $overlapMinutes) {
    secret apiKey { id name prefix scopes createdAt expiresAt rateLimitPerHour isActive }
  }
}`;
const ME = '{ me { id } }';
const DAY_MS = 86_400_000;

type Headers = Record<string, string>;

const create = (input: Record<string, unknown>, headers: Headers = user.headers) =>
  app.call(CREATE, { input: { name: 'test', ...input } }, headers);

/** A new key, with the headers to use it. */
const made = async (input: Record<string, unknown> = {}, headers: Headers = user.headers) => {
  const { data } = await create(input, headers);
  const { secret, apiKey } = data.createApiKey;
  return { ...apiKey, headers: { 'x-api-key': secret as string } };
};

const rotate = (id: string, overlapMinutes = 0, headers: Headers = user.headers) =>
  app.call(ROTATE, { id, overlapMinutes }, headers);

const statusWith = async (headers: Headers) => (await app.call(ME, {}, headers)).status;

describe('an API key that makes API keys', () => {
  const both: ApiKeyScope[] = ['KEYS_ADMIN', 'TASKS_READ'];

  test('gives away the scopes that it has itself, or fewer', async () => {
    const { headers } = await made({ scopes: both });
    for (const scopes of [both, ['TASKS_READ'], ['KEYS_ADMIN']])
      expect((await made({ scopes }, headers)).scopes).toEqual(scopes);
  });

  test.each<[string, ApiKeyScope[] | undefined]>([
    ['one more', [...both, 'TASKS_WRITE']],
    ['another one', ['WORKER']],
    ['the default ones, of which it lacks one', undefined],
  ])('cannot give away %s', async (_what, scopes) => {
    const { headers } = await made({ scopes: both });
    const before = await app.database.apiKey.count();
    expect(errorOf(await create(scopes ? { scopes } : {}, headers))).toEqual({ code: 'FORBIDDEN' });
    expect(await app.database.apiKey.count()).toBe(before);
  });

  test('cannot get at the scopes of another key by rotating it', async () => {
    const { headers } = await made({ scopes: both });
    const mighty = await made({ scopes: ['TASKS_WRITE', 'TASKS_READ'] });
    expect(errorOf(await rotate(mighty.id, 5, headers))).toEqual({ code: 'FORBIDDEN' });
    expect(await statusWith(mighty.headers)).toBe(200);
  });
});

describe('the scope QUEUES_ADMIN', () => {
  test('is given by admins, and by keys that have it', async () => {
    expect(errorOf(await create({ scopes: ['QUEUES_ADMIN'] }))).toEqual({ code: 'FORBIDDEN' });
    const { headers } = await made({ scopes: ['QUEUES_ADMIN', 'KEYS_ADMIN'] }, admin.headers);
    expect((await made({ scopes: ['QUEUES_ADMIN'] }, headers)).scopes).toEqual(['QUEUES_ADMIN']);
  });

  test('counts as long as the owner of the key is an admin', async () => {
    const former = await app.admin();
    const { headers } = await made({ scopes: ['QUEUES_ADMIN'] }, former.headers);
    const pause = () => app.call('mutation { pauseQueue(name: "paused") { isPaused } }', {}, headers);
    expect((await pause()).data.pauseQueue).toEqual({ isPaused: true });
    await app.database.user.update({ where: { id: former.id }, data: { isAdmin: false } });
    await waitFor(async () => (await pause()).errors?.[0]?.extensions?.code === 'FORBIDDEN', { timeoutMs: 3_000 });
  });
});

describe('an API key without an end', () => {
  test('is refused unless the settings allow it', async () => {
    const field = 'input.expiresInDays';
    expect(errorOf(await create({ expiresInDays: 0 }))).toEqual({ code: 'BAD_USER_INPUT', field });
  });

  test('is made with expiresInDays: 0 where they do, and null stands for the default', async () => {
    await using node = await openNode({ ...app, config: { ...app.config, API_KEY_MAY_NEVER_EXPIRE: true } });
    const make = async (expiresInDays: number | null) => {
      const { data } = await node.call(CREATE, { input: { name: 'test', expiresInDays } }, user.headers);
      return { ...data.createApiKey.apiKey, headers: { 'x-api-key': data.createApiKey.secret as string } };
    };
    const endless = await make(0);
    expect(endless.expiresAt).toBeNull();
    expect(await statusWith(endless.headers)).toBe(200);
    const days = (new Date((await make(null)).expiresAt).getTime() - Date.now()) / DAY_MS;
    expect(days).toBeCloseTo(30, 2);
    const variables = { id: endless.id, overlapMinutes: 0 };
    const replaced = await node.call(ROTATE, variables, user.headers);
    expect(replaced.data.rotateApiKey.apiKey.expiresAt).toBeNull();
  });
});

describe('a rate limit of an API key', () => {
  test('is kept and shown, and is none by default', async () => {
    expect((await made({ rateLimitPerHour: 100 })).rateLimitPerHour).toBe(100);
    expect((await made()).rateLimitPerHour).toBeNull();
    const { headers } = await made({ rateLimitPerHour: 77 });
    const credentials = { authorization: undefined, apiKey: headers['x-api-key'] };
    expect(await app.services.authenticator.authenticate(credentials)).toMatchObject({ rateLimitPerHour: 77 });
  });

  test('is at most what a user has, unless an admin gives it', async () => {
    const field = 'input.rateLimitPerHour';
    const refused = await create({ rateLimitPerHour: 5_001 });
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field, limit: 5_000 });
    expect((await made({ rateLimitPerHour: 5_001 }, admin.headers)).rateLimitPerHour).toBe(5_001);
  });

  test('holds for the keys that it makes: they have no more, and as much when nothing is said', async () => {
    const scopes = ['KEYS_ADMIN'];
    const { headers } = await made({ scopes, rateLimitPerHour: 50 });
    expect((await made({ scopes }, headers)).rateLimitPerHour).toBe(50);
    expect((await made({ scopes, rateLimitPerHour: 20 }, headers)).rateLimitPerHour).toBe(20);
    const refused = await create({ scopes, rateLimitPerHour: 51 }, headers);
    expect(errorOf(refused)).toMatchObject({ code: 'BAD_USER_INPUT', limit: 50 });
    const free = await made({ scopes });
    const rotated = await rotate(free.id, 0, headers);
    expect(rotated.data.rotateApiKey.apiKey.rateLimitPerHour).toBe(50);
  });

  test.each([0, -1])('cannot be %d', async (rateLimitPerHour) => {
    expect(errorOf(await create({ rateLimitPerHour }))).toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});

describe('rotateApiKey', () => {
  test('gives a new key like the old one, with as long a life, and both work for the overlap', async () => {
    const old = await made({ name: 'robot', scopes: ['TASKS_READ'], expiresInDays: 90, rateLimitPerHour: 9 });
    const { secret, apiKey } = (await rotate(old.id, 60)).data.rotateApiKey;
    expect(secret).toMatch(/^tf_[a-z0-9]{8}_[A-Za-z0-9_-]{43}$/);
    expect(apiKey).toMatchObject({ name: 'robot', scopes: ['TASKS_READ'], rateLimitPerHour: 9, isActive: true });
    expect(apiKey.id).not.toBe(old.id);
    const days = (new Date(apiKey.expiresAt).getTime() - new Date(apiKey.createdAt).getTime()) / DAY_MS;
    expect(days).toBeCloseTo(90, 2);
    for (const headers of [old.headers, { 'x-api-key': secret }]) expect(await statusWith(headers)).toBe(200);
    const { expiresAt } = await app.database.apiKey.findUniqueOrThrow({ where: { id: old.id } });
    expect((expiresAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(59 * 60_000);
    expect((expiresAt?.getTime() ?? 0) - Date.now()).toBeLessThanOrEqual(60 * 60_000);
  });

  test('ends the old key at once without an overlap, though it was just used', async () => {
    const old = await made();
    expect(await statusWith(old.headers)).toBe(200);
    const { secret } = (await rotate(old.id)).data.rotateApiKey;
    expect(await statusWith(old.headers)).toBe(401);
    expect(await statusWith({ 'x-api-key': secret })).toBe(200);
  });

  test('never lets the old key live longer than it would have', async () => {
    const old = await made();
    const expiresAt = new Date(Date.now() + 60_000);
    await app.database.apiKey.update({ where: { id: old.id }, data: { expiresAt } });
    await rotate(old.id, 7 * 24 * 60);
    const row = await app.database.apiKey.findUniqueOrThrow({ where: { id: old.id } });
    expect(row.expiresAt).toEqual(expiresAt);
  });

  test('finds no key that is revoked or was replaced without an overlap', async () => {
    const [revoked, replaced] = [await made(), await made()];
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: revoked.id });
    await rotate(replaced.id);
    for (const { id } of [revoked, replaced]) expect(errorOf(await rotate(id))).toEqual({ code: 'NOT_FOUND' });
  });

  test.each([
    [-1, undefined],
    [7 * 24 * 60 + 1, 7 * 24 * 60],
  ])('refuses an overlap of %d minutes', async (minutes, limit) => {
    const old = await made();
    const expected = { code: 'BAD_USER_INPUT', field: 'overlapMinutes', ...(limit ? { limit } : {}) };
    expect(errorOf(await rotate(old.id, minutes))).toEqual(expected);
    expect(await statusWith(old.headers)).toBe(200);
  });
});
