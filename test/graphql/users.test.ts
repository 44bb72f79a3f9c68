import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, openNode, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let admin: TestUser;

beforeAll(async () => {
  app = await setupApi();
  admin = await app.admin();
});
afterAll(() => app.close());

const ME = '{ me { id } }';
const LOGIN = 'mutation ($i: String!, $p: String!) { login(input: { identifier: $i, password: $p }) { token } }';
const USERS = `query ($first: Int, $after: String, $search: String, $role: UserRole, $isLocked: Boolean) {
  users(first: $first, after: $after, search: $search, role: $role, isLocked: $isLocked) {
    edges { cursor node { id username role lockedAt lastSeenAt activeApiKeys openSessions } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

const change = (mutation: string, id: string, by = admin) =>
  by.call(`mutation ($id: ID!) { changed: ${mutation} { id role lockedAt openSessions activeApiKeys } }`, { id });
const lock = (id: string, by = admin) => change('lockUser(id: $id)', id, by);
const unlock = (id: string, by = admin) => change('unlockUser(id: $id)', id, by);
const demote = (id: string, by = admin) => change('setUserRole(id: $id, role: USER)', id, by);
const promote = (id: string, by = admin) => change('setUserRole(id: $id, role: ADMIN)', id, by);

const idsOf = ({ data }: { data: { users: { edges: { node: { id: string } }[] } } }): string[] =>
  data.users.edges.map(({ node }) => node.id);

const actionsOn = async (target: string): Promise<[string, string | null][]> => {
  const entries = await app.database.auditEntry.findMany({
    where: { target, action: { not: 'LOGIN_FAILED' } },
    orderBy: { id: 'asc' },
  });
  return entries.map(({ action, actorId }) => [action, actorId]);
};

describe('the list of users', () => {
  test('goes from the newest to the oldest, page by page', async () => {
    const users = [await app.user(), await app.user(), await app.user()];
    const newest = users.map(({ id }) => id).reverse();
    const first = await admin.call(USERS, { first: 2 });
    expect(idsOf(first)).toEqual(newest.slice(0, 2));
    expect(first.data.users.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    await app.user();
    const second = await admin.call(USERS, { first: 1, after: first.data.users.pageInfo.endCursor });
    expect(idsOf(second)).toEqual(newest.slice(2));
    expect(second.data.users.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
  });

  test('shows what works of an account, and when somebody was last there', async () => {
    const user = await app.user();
    await app.keyOf(user);
    await user.call(ME);
    await app.services.authenticator.flush();
    const { data } = await admin.call(USERS, { search: user.username.toUpperCase() });
    expect(data.users.edges).toHaveLength(1);
    const { node } = data.users.edges[0];
    expect(node).toMatchObject({ id: user.id, role: 'USER', lockedAt: null, activeApiKeys: 1, openSessions: 1 });
    expect(Date.parse(node.lastSeenAt)).toBeGreaterThan(Date.now() - 60_000);
  });

  test('is searched by parts of names, by role and by lock', async () => {
    const user = await app.user();
    await lock(user.id);
    expect(idsOf(await admin.call(USERS, { search: user.email.slice(3, 12) }))).toEqual([user.id]);
    expect(idsOf(await admin.call(USERS, { isLocked: true }))).toContain(user.id);
    expect(idsOf(await admin.call(USERS, { isLocked: false }))).not.toContain(user.id);
    const admins = idsOf(await admin.call(USERS, { role: 'ADMIN' }));
    expect(admins).toContain(admin.id);
    expect(admins).not.toContain(user.id);
    expect(idsOf(await admin.call(USERS, { search: '%' }))).toEqual([]);
  });

  test.each([
    ['501', { first: 501 }, { field: 'first', limit: 500 }],
    ['a negative number', { first: -1 }, { field: 'first' }],
    ['a cursor that is none', { after: 'x' }, { field: 'after' }],
    ['NUL', { search: 'a\0' }, { field: 'search' }],
  ])('refuses %s', async (_what, variables, expected) => {
    expect(errorOf(await admin.call(USERS, variables))).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });

  test('is live', async () => {
    const user = await app.user();
    const query = `subscription { usersUpdated(search: "${user.username}") { edges { node { id role lockedAt } } } }`;
    const watch = await subscribe(app.yoga, admin.headers, query);
    const [before] = await watch.take(1);
    expect(before).toEqual({ edges: [{ node: { id: user.id, role: 'USER', lockedAt: null } }] });
    await promote(user.id);
    const [after] = await watch.take(1);
    expect(after.edges[0].node.role).toBe('ADMIN');
  });
});

describe('a locked user', () => {
  test('is refused with every credential, on every node, and let in again with password and keys', async () => {
    await using other = await openNode(app);
    const user = await app.user();
    const key = await app.keyOf(user);
    const grant = 'mutation { createWatchToken(input: { tags: ["x"] }) { token } }';
    const watcher = { authorization: `Bearer ${(await user.call(grant)).data.createWatchToken.token}` };
    expect((await other.call(ME, {}, user.headers)).data.me.id).toBe(user.id);
    const { data } = await lock(user.id);
    expect(data.changed).toMatchObject({ id: user.id, openSessions: 0 });
    expect(data.changed.lockedAt).not.toBeNull();
    for (const headers of [user.headers, key, watcher]) {
      expect(errorOf(await app.call(ME, {}, headers))).toEqual({ code: 'UNAUTHENTICATED' });
      await waitFor(async () => (await other.call(ME, {}, headers)).errors !== undefined);
    }
    const credentials = { i: user.username, p: PASSWORD };
    expect(errorOf(await app.call(LOGIN, credentials))).toEqual({ code: 'FORBIDDEN' });
    expect(errorOf(await app.call(LOGIN, { ...credentials, p: 'wrong password' }))).toEqual({
      code: 'UNAUTHENTICATED',
    });

    expect((await unlock(user.id)).data.changed.lockedAt).toBeNull();
    expect((await app.call(ME, {}, key)).data.me.id).toBe(user.id);
    expect(errorOf(await app.call(ME, {}, user.headers))).toEqual({ code: 'UNAUTHENTICATED' });
    const { token } = (await app.call(LOGIN, credentials)).data.login;
    expect((await app.call(ME, {}, { authorization: `Bearer ${token}` })).data.me.id).toBe(user.id);
    expect(await actionsOn(user.id)).toEqual([
      ['SIGNED_UP', user.id],
      ['USER_LOCKED', admin.id],
      ['USER_UNLOCKED', admin.id],
    ]);
  });

  test.each(['login', 'key'])('loses what is open with a %s', async (kind) => {
    const user = await app.user();
    const headers = kind === 'key' ? await app.keyOf(user) : user.headers;
    const watch = await subscribe(app.yoga, headers, 'subscription { taskChanges { cursor } }');
    const ended = watch.next();
    await lock(user.id);
    expect(errorOf((await ended) as never)).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('loses it within a second also where the message about it is lost', async () => {
    const user = await app.user();
    const key = await app.keyOf(user);
    const watch = await subscribe(app.yoga, key, 'subscription { taskChanges { cursor } }');
    await app.database.user.update({ where: { id: user.id }, data: { lockedAt: new Date() } });
    expect(errorOf((await watch.next()) as never)).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('whose key works on tasks, claims none any more', async () => {
    const worker = await app.admin();
    const key = await app.keyOf(worker, ['WORKER']);
    const claim = 'mutation { claimTasks(input: { workerId: "w", types: ["none"] }) { id } }';
    expect((await app.call(claim, {}, key)).data.claimTasks).toEqual([]);
    await lock(worker.id);
    expect(errorOf(await app.call(claim, {}, key))).toEqual({ code: 'UNAUTHENTICATED' });
  });

  test('is locked once, however often it is asked for', async () => {
    const user = await app.user();
    const first = (await lock(user.id)).data.changed.lockedAt;
    expect((await lock(user.id)).data.changed.lockedAt).toBe(first);
    await unlock(user.id);
    await unlock(user.id);
    expect((await actionsOn(user.id)).map(([action]) => action)).toEqual(['SIGNED_UP', 'USER_LOCKED', 'USER_UNLOCKED']);
  });
});

describe('an admin', () => {
  test('is not locked by themselves', async () => {
    expect(errorOf(await lock(admin.id))).toEqual({ code: 'BAD_USER_INPUT', field: 'id' });
    expect((await admin.call(ME)).data.me.id).toBe(admin.id);
  });

  test('who is the last one stays one', async () => {
    await using own = await setupApi();
    const last = await own.admin();
    await own.database.user.updateMany({ where: { id: { not: last.id } }, data: { isAdmin: false } });
    expect(errorOf(await demote(last.id, last))).toEqual({ code: 'CONFLICT' });
    const second = await own.user();
    await promote(second.id, last);
    expect((await demote(last.id, last)).data.changed.role).toBe('USER');
    expect(errorOf(await demote(second.id, second))).toEqual({ code: 'CONFLICT' });
  });

  test('and another one who lock each other at once do not both succeed', async () => {
    const [one, two] = [await app.admin(), await app.admin()];
    const answers = await Promise.all([lock(two.id, one), lock(one.id, two)]);
    expect(answers.filter(({ errors }) => errors === undefined)).toHaveLength(1);
  });

  test('sees that there is no such user', async () => {
    const id = '01900000-0000-7000-8000-000000000000';
    for (const answer of [await lock(id), await unlock(id), await promote(id)])
      expect(errorOf(answer)).toEqual({ code: 'NOT_FOUND' });
    expect((await admin.call(`{ user(id: "${id}") { id } }`)).data).toEqual({ user: null });
    expect((await admin.call(`{ user(id: "${admin.id}") { role } }`)).data).toEqual({ user: { role: 'ADMIN' } });
  });

  test('who is none any more loses what only admins may watch', async () => {
    const former = await app.admin();
    const watch = await subscribe(
      app.yoga,
      former.headers,
      'subscription { usersUpdated(first: 0) { edges { cursor } } }',
    );
    expect(await watch.take(1)).toEqual([{ edges: [] }]);
    await demote(former.id);
    expect(errorOf((await watch.next()) as never)).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect((await actionsOn(former.id)).at(-1)).toEqual(['USER_DEMOTED', admin.id]);
  });
});
