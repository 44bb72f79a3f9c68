import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, openNode, setupApi, type TestUser } from '../support/api.ts';
import { waitFor } from '../support/setup.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
});
afterAll(() => app.close());

const CREATE = `mutation ($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { secret apiKey { id name prefix scopes createdAt expiresAt lastUsedAt isActive } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeApiKey(id: $id) { id isActive } }';
const LIST = '{ apiKeys { id prefix isActive lastUsedAt } }';
const ME = '{ me { id } }';
const DAY_MS = 86_400_000;

const create = async (input: Record<string, unknown> = {}, who = user) => {
  const { data } = await who.call(CREATE, { input: { name: 'test', ...input } });
  return { ...data.createApiKey, headers: { 'x-api-key': data.createApiKey.secret as string } };
};

describe('createApiKey', () => {
  test('gives a key that reads and writes tasks for 30 days', async () => {
    const { secret, apiKey, headers } = await create({ name: ' my laptop ' });
    expect(secret).toMatch(/^tf_[a-z0-9]{8}_[A-Za-z0-9_-]{43}$/);
    expect(apiKey).toMatchObject({
      name: 'my laptop',
      prefix: secret.slice(0, 11),
      scopes: ['TASKS_READ', 'TASKS_WRITE'],
      lastUsedAt: null,
      isActive: true,
    });
    expect(new Date(apiKey.expiresAt).getTime() - new Date(apiKey.createdAt).getTime()).toBeGreaterThan(
      30 * DAY_MS - 5_000,
    );
    expect((await app.call(ME, {}, headers)).data.me.id).toBe(user.id);
    expect((await app.call(ME, {}, { authorization: `Bearer ${secret}` })).data.me.id).toBe(user.id);
  });

  test('stores the SHA-256 of the key and nothing more of it than its prefix', async () => {
    const { secret, apiKey } = await create();
    const row = await app.database.apiKey.findUniqueOrThrow({ where: { id: apiKey.id } });
    expect(Buffer.from(row.secretHash)).toEqual(createHash('sha256').update(secret).digest());
    const [text] = await app.database.$queryRaw<
      { row: string }[]
    >`SELECT k::text AS row FROM api_keys k WHERE id = ${apiKey.id}::uuid`;
    expect(text?.row).not.toContain(secret.slice(12, 30));
  });

  test('takes scopes and days', async () => {
    const { apiKey } = await create({ scopes: ['KEYS_ADMIN', 'TASKS_READ', 'TASKS_READ'], expiresInDays: 365 });
    expect(apiKey.scopes.toSorted()).toEqual(['KEYS_ADMIN', 'TASKS_READ']);
    expect(new Date(apiKey.expiresAt).getTime()).toBeGreaterThan(Date.now() + 364 * DAY_MS);
  });

  test.each([
    ['no name', { name: '  ' }, { field: 'input.name' }],
    ['a name of 101 characters', { name: 'x'.repeat(101) }, { field: 'input.name', limit: 100 }],
    ['no scopes', { scopes: [] }, { field: 'input.scopes' }],
    ['0 days', { expiresInDays: 0 }, { field: 'input.expiresInDays' }],
    ['366 days', { expiresInDays: 366 }, { field: 'input.expiresInDays', limit: 365 }],
  ])('refuses %s', async (_what, wrong, expected) => {
    const answer = await user.call(CREATE, { input: { name: 'test', ...wrong } });
    expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });
});

describe('an API key', () => {
  test.each([
    ['is unknown', 'tf_abcdefgh_0123456789012345678901234567890123456789012'],
    ['has another form', 'tf_short'],
    ['is no key at all', 'hello'],
  ])('that %s fails the whole request with 401', async (_what, key) => {
    const answer = await app.call('{ __typename }', {}, { 'x-api-key': key });
    expect(answer).toMatchObject({ status: 401, data: undefined });
    expect(errorOf(answer)).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('stops working when it expires, though it was just checked', async () => {
    const { apiKey, headers } = await create();
    const expiresAt = new Date(Date.now() + 400);
    await app.database.apiKey.update({ where: { id: apiKey.id }, data: { expiresAt } });
    expect((await app.call(ME, {}, headers)).status).toBe(200);
    await waitFor(async () => (await app.call(ME, {}, headers)).status === 401, {
      timeoutMs: 3_000,
      what: 'the key has expired',
    });
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime());
    const { data } = await user.call(LIST);
    expect(data.apiKeys.find(({ id }: { id: string }) => id === apiKey.id)).toMatchObject({ isActive: false });
  });

  test('notes when it was used, without a write per request', async () => {
    const { apiKey, headers } = await create();
    for (let i = 0; i < 5; i++) await app.call(ME, {}, headers);
    await app.services.authenticator.flush();
    const lastUsed = async () => (await app.database.apiKey.findUniqueOrThrow({ where: { id: apiKey.id } })).lastUsedAt;
    const noted = await lastUsed();
    expect(noted?.getTime()).toBeGreaterThan(Date.now() - 10_000);
    await app.call(ME, {}, headers);
    await app.services.authenticator.flush();
    expect(await lastUsed()).toEqual(noted);
  });
});

describe('revokeApiKey', () => {
  test('stops the key at once, shows it as inactive, and does nothing the second time', async () => {
    const { apiKey, headers } = await create();
    expect((await app.call(ME, {}, headers)).status).toBe(200);
    expect((await user.call(REVOKE, { id: apiKey.id })).data.revokeApiKey).toEqual({ id: apiKey.id, isActive: false });
    expect((await app.call(ME, {}, headers)).status).toBe(401);
    const { revokedAt } = await app.database.apiKey.findUniqueOrThrow({ where: { id: apiKey.id } });
    expect((await user.call(REVOKE, { id: apiKey.id })).data.revokeApiKey).toEqual({ id: apiKey.id, isActive: false });
    expect((await app.database.apiKey.findUniqueOrThrow({ where: { id: apiKey.id } })).revokedAt).toEqual(revokedAt);
    expect((await user.call(LIST)).data.apiKeys[0]).toMatchObject({ id: apiKey.id, isActive: false });
  });

  test('stops the key on another node within a second', async () => {
    await using node = await openNode(app);
    const { apiKey, headers } = await create();
    expect((await node.call(ME, {}, headers)).status).toBe(200);
    await user.call(REVOKE, { id: apiKey.id });
    await waitFor(async () => (await node.call(ME, {}, headers)).status === 401, {
      timeoutMs: 2_000,
      what: 'the key is refused',
    });
  });

  test('stops the key though a look-up of it is under way', async () => {
    const { apiKey, headers } = await create();
    const calls = Array.from({ length: 20 }, () => app.call(ME, {}, headers));
    await user.call(REVOKE, { id: apiKey.id });
    await Promise.all(calls);
    expect((await app.call(ME, {}, headers)).status).toBe(401);
  });

  test('does not find a key of somebody else, or none', async () => {
    const { apiKey, headers } = await create();
    const other = await app.user();
    for (const id of [apiKey.id, '01900000-0000-7000-8000-000000000000']) {
      expect(errorOf(await other.call(REVOKE, { id }))).toEqual({ code: 'NOT_FOUND' });
    }
    expect(errorOf(await user.call(REVOKE, { id: 'x' }))).toEqual({ code: 'BAD_USER_INPUT', field: 'id' });
    expect((await app.call(ME, {}, headers)).status).toBe(200);
  });
});
