import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FailedLogins } from '../../src/accounts/failed-logins.ts';
import { type ApiApp, errorOf, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let admin: TestUser;

beforeAll(async () => {
  app = await setupApi();
  admin = await app.admin();
});
afterAll(() => app.close());

const LOG = `query ($where: AuditWhere, $first: Int, $after: String) {
  auditLog(where: $where, first: $first, after: $after) {
    edges { cursor node { id at actorId action target address count detail } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;
const LOGIN =
  'mutation ($identifier: String!, $password: String!) { login(input: { identifier: $identifier, password: $password }) { token } }';

interface Entry {
  id: string;
  action: string;
  actorId: string | null;
  target: string | null;
  count: number;
  detail: Record<string, unknown> | null;
}

const page = async (variables: Record<string, unknown>): Promise<{ entries: Entry[]; pageInfo: object }> => {
  const { data } = await admin.call(LOG, variables);
  return {
    entries: data.auditLog.edges.map(({ node }: { node: Entry }) => node),
    pageInfo: data.auditLog.pageInfo,
  };
};

const actionsOf = async (user: TestUser): Promise<string[]> =>
  (await page({ where: { actorId: user.id } })).entries.map(({ action }) => action).reverse();

/** From another address than all the others, as the api process would say. */
const callFrom = (address: string, query: string, variables: Record<string, unknown>) =>
  app.yoga.fetch(
    'http://test/graphql',
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    },
    { address },
  );

describe('the audit log', () => {
  test('has what somebody did with their account, in order, and by which key', async () => {
    const user = await app.user();
    await app.call(LOGIN, { identifier: user.email, password: PASSWORD });
    const key = await app.keyOf(user, ['KEYS_ADMIN']);
    const { data } = await user.call('{ apiKeys { id } }');
    const { id } = data.apiKeys[0];
    const rotate = 'mutation ($id: ID!) { rotateApiKey(id: $id, overlapMinutes: 5) { apiKey { id } } }';
    const rotated = (await app.call(rotate, { id }, key)).data.rotateApiKey.apiKey.id;
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id });
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id });
    const change = 'mutation ($p: String!) { changePassword(current: $p, new: "another one") { token } }';
    const { token } = (await user.call(change, { p: PASSWORD })).data.changePassword;
    const headers = { authorization: `Bearer ${token}` };
    await app.call('mutation { deleteAccount(password: "another one") }', {}, headers);
    expect(await actionsOf(user)).toEqual([
      'SIGNED_UP',
      'LOGGED_IN',
      'API_KEY_CREATED',
      'API_KEY_ROTATED',
      'API_KEY_REVOKED',
      'PASSWORD_CHANGED',
      'ACCOUNT_DELETED',
    ]);
    const { entries } = await page({ where: { target: id, action: ['API_KEY_ROTATED'] } });
    expect(entries).toMatchObject([{ target: id, detail: { apiKeyId: id, newId: rotated, overlapMinutes: 5 } }]);
  });

  test('has the address of whoever did it', async () => {
    const user = await app.user();
    await callFrom('203.0.113.7', LOGIN, { identifier: user.username, password: PASSWORD });
    const { entries } = await page({ where: { address: '203.0.113.7' } });
    expect(entries).toMatchObject([{ action: 'LOGGED_IN', actorId: user.id }]);
  });

  test('counts failed logins by account, address and minute, and keeps nothing that was typed', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-05-06T07:08:09Z') });
    try {
      const user = await app.user();
      const typed = 'my secret password';
      for (let i = 0; i < 3; i++) await callFrom('203.0.113.8', LOGIN, { identifier: user.email, password: typed });
      for (let i = 0; i < 2; i++) await callFrom('203.0.113.9', LOGIN, { identifier: typed + i, password: 'x' });
      vi.setSystemTime(new Date('2026-05-06T07:09:00Z'));
      await callFrom('203.0.113.8', LOGIN, { identifier: user.email, password: typed });
      const { entries } = await page({ where: { action: ['LOGIN_FAILED'] } });
      const shown = entries.map(({ target, count, actorId }) => ({ target, count, actorId }));
      expect(shown).toHaveLength(3);
      expect(shown).toContainEqual({ target: user.id, count: 3, actorId: null });
      expect(shown).toContainEqual({ target: user.id, count: 1, actorId: null });
      expect(shown).toContainEqual({ target: null, count: 2, actorId: null });
      expect(JSON.stringify(entries)).not.toContain(typed);
    } finally {
      vi.useRealTimers();
    }
  });

  test('counts failed logins from all over the world together once there are too many to list', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-05-06T08:00:00Z') });
    try {
      const before = await app.database.auditEntry.count();
      const failed = new FailedLogins(app.database);
      const addresses = Array.from({ length: 1_200 }, (_, i) => `198.51.${i >> 8}.${i & 255}`);
      for (let i = 0; i < addresses.length; i += 100)
        await Promise.all(addresses.slice(i, i + 100).map((address) => failed.note(null, address)));
      expect((await app.database.auditEntry.count()) - before).toBe(1_001);
      const { entries } = await page({ where: { action: ['LOGIN_FAILED'] }, first: 500 });
      expect(entries.filter(({ detail }) => detail !== null)).toMatchObject([{ count: 200 }]);
    } finally {
      vi.useRealTimers();
    }
  });

  test('takes a failed password of somebody who is logged in for a failed login', async () => {
    const user = await app.user();
    await user.call('mutation { deleteAccount(password: "wrong") }');
    const { entries } = await page({ where: { target: user.id, action: ['LOGIN_FAILED'] } });
    expect(entries).toHaveLength(1);
  });
});

describe('pages of the audit log', () => {
  test('go from the newest to the oldest, and are not shifted by what is added', async () => {
    const actor = await app.user();
    const login = () => app.call(LOGIN, { identifier: actor.username, password: PASSWORD });
    for (let i = 0; i < 4; i++) await login();
    const where = { actorId: actor.id };
    const all = (await page({ where })).entries.map(({ id }) => id);
    expect(all).toHaveLength(5);
    expect(all).toEqual(all.toSorted().reverse());
    const first = await page({ where, first: 2 });
    expect(first).toMatchObject({
      pageInfo: { hasNextPage: true, hasPreviousPage: false, startCursor: all[0], endCursor: all[1] },
    });
    await login();
    const second = await page({ where, first: 3, after: all[1] });
    expect(second.entries.map(({ id }) => id)).toEqual(all.slice(2));
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  });

  test('end at times', async () => {
    const actorId = uuidv7();
    const times = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:01.000Z', '2026-01-01T00:00:02.000Z'];
    for (const at of times) {
      const id = uuidv7({ msecs: new Date(at).getTime() });
      await app.database.auditEntry.create({ data: { id, at, actorId, action: 'LOGGED_IN' } });
    }
    const { entries } = await page({ where: { actorId, since: times[1], until: times[2] } });
    expect(entries).toMatchObject([{ at: times[1] }]);
  });

  test.each([
    ['501', { first: 501 }, { field: 'first', limit: 500 }],
    ['a negative number', { first: -1 }, { field: 'first' }],
    ['a cursor that is none', { after: 'x' }, { field: 'after' }],
    ['an actor that is none', { where: { actorId: 'x' } }, { field: 'where.actorId' }],
    ['NUL', { where: { target: 'a\0' } }, { field: 'where.target' }],
  ])('refuse %s', async (_what, variables, expected) => {
    expect(errorOf(await admin.call(LOG, variables))).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });
});

describe('auditLogUpdated', () => {
  const WATCH = `subscription ($where: AuditWhere, $first: Int) {
    auditLogUpdated(where: $where, first: $first) { edges { node { action count } } pageInfo { hasNextPage } }
  }`;
  const watch = (variables: object) => subscribe(app.yoga, admin.headers, WATCH, { ...variables });

  test('shows the page that was asked for, and again with each new entry on it', async () => {
    const user = await app.user();
    const where = { actorId: user.id, since: '2020-01-01T00:00:00.000Z' };
    await using watched = await watch({ where, first: 1 });
    const entry = (action: string) => ({ node: { action, count: 1 } });
    expect(await watched.take(1)).toEqual([{ edges: [entry('SIGNED_UP')], pageInfo: { hasNextPage: false } }]);
    await app.call(LOGIN, { identifier: user.email, password: PASSWORD });
    expect(await watched.take(1)).toEqual([{ edges: [entry('LOGGED_IN')], pageInfo: { hasNextPage: true } }]);
  });

  test('leaves out what the filter leaves out', async () => {
    await using future = await watch({ where: { since: '2999-01-01T00:00:00.000Z' } });
    expect(await future.take(1)).toEqual([{ edges: [], pageInfo: { hasNextPage: false } }]);
  });

  test.each([
    ['a page that is too large', { first: 501 }, { field: 'first', limit: 500 }],
    ['an actor that is none', { where: { actorId: 'x' } }, { field: 'where.actorId' }],
  ])('refuses %s', async (_what, variables, expected) => {
    const refused = await watch(variables).catch((error) => error);
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });
});
