import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiApp, errorOf, openNode, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;

beforeAll(async () => {
  app = await setupApi();
});
afterAll(() => app.close());

const ME = '{ me { id } }';
const SESSIONS = '{ sessions { id isCurrent userAgent address expiresAt lastUsedAt } }';
const LOGIN = 'mutation ($i: String!) { login(input: { identifier: $i, password: "correct horse" }) { token } }';
const END = 'mutation ($id: ID) { endSession(id: $id) { id } }';

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const logInAgain = async (user: TestUser) => bearer((await app.call(LOGIN, { i: user.email })).data.login.token);
const currentOf = async (headers: Record<string, string>) =>
  (await app.call(SESSIONS, {}, headers)).data.sessions.find(({ isCurrent }: { isCurrent: boolean }) => isCurrent);

test('logins are listed, the newest first, with where they come from and which of them asks', async () => {
  const user = await app.user();
  const body = JSON.stringify({ query: LOGIN, variables: { i: user.email } });
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body };
  await app.yoga.fetch('http://test/graphql', init, { address: '203.0.113.7', userAgent: 'x'.repeat(600) });
  const { data } = await user.call(SESSIONS);
  expect(data.sessions).toMatchObject([
    { isCurrent: false, address: '203.0.113.7', userAgent: 'x'.repeat(500) },
    { isCurrent: true, address: null, userAgent: null },
  ]);
});

test('one login is ended on every node, with what is open with it, and the others go on', async () => {
  await using other = await openNode(app);
  const user = await app.user();
  const stolen = await logInAgain(user);
  expect((await other.call(ME, {}, stolen)).data.me.id).toBe(user.id);
  const { id } = await currentOf(stolen);
  const watch = await subscribe(app.yoga, stolen, 'subscription { taskChanges { cursor } }');
  const ended = watch.next();
  expect((await user.call(END, { id })).data.endSession).toEqual({ id });
  expect(errorOf((await ended) as never)).toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(errorOf(await app.call(ME, {}, stolen))).toEqual({ code: 'UNAUTHENTICATED' });
  await waitFor(async () => (await other.call(ME, {}, stolen)).errors !== undefined);
  expect((await user.call(ME)).data.me.id).toBe(user.id);
  expect(errorOf(await user.call(END, { id }))).toEqual({ code: 'NOT_FOUND' });
});

test('what is open with a login ends within a second also where the message about it is lost', async () => {
  const user = await app.user();
  const watch = await subscribe(app.yoga, user.headers, 'subscription { taskChanges { cursor } }');
  await app.database.loginSession.deleteMany({ where: { userId: user.id } });
  expect(errorOf((await watch.next()) as never)).toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('who ends a login without saying which, logs out', async () => {
  const user = await app.user();
  await user.call(END);
  expect(errorOf(await user.call(ME))).toEqual({ code: 'UNAUTHENTICATED' });
});

test('a renewed token is of the same login, which lasts as long as it', async () => {
  const user = await app.user();
  const before = await currentOf(user.headers);
  const { token, expiresAt } = (await user.call('mutation { renewSession { token expiresAt } }')).data.renewSession;
  const after = await currentOf(bearer(token));
  expect(after.id).toBe(before.id);
  expect(after.expiresAt).toBe(expiresAt);
  await user.call(END);
  expect(errorOf(await app.call(ME, {}, bearer(token)))).toEqual({ code: 'UNAUTHENTICATED' });
});

test('a token from before logins were kept still counts, and is kept when it is renewed', async () => {
  const user = await app.user();
  const { tokenVersion } = await app.database.user.findUniqueOrThrow({ where: { id: user.id } });
  const old = bearer((await app.services.tokens.issue({ id: user.id, tokenVersion })).token);
  expect(await currentOf(old)).toBeUndefined();
  const { token } = (await app.call('mutation { renewSession { token } }', {}, old)).data.renewSession;
  expect(await currentOf(bearer(token))).toMatchObject({ isCurrent: true });
});

test('a change of the password leaves one login', async () => {
  const user = await app.user();
  await logInAgain(user);
  const change = `mutation { changePassword(current: "${PASSWORD}", new: "another horse") { token } }`;
  const { token } = (await user.call(change)).data.changePassword;
  const { data } = await app.call(SESSIONS, {}, bearer(token));
  expect(data.sessions).toMatchObject([{ isCurrent: true }]);
});

test('logins that have expired are not listed, and go with the next login', async () => {
  const user = await app.user();
  const { id } = await currentOf(await logInAgain(user));
  await app.database.loginSession.update({ where: { id }, data: { expiresAt: new Date(Date.now() - 1_000) } });
  expect((await user.call(SESSIONS)).data.sessions).toHaveLength(1);
  await logInAgain(user);
  expect(await app.database.loginSession.findUnique({ where: { id } })).toBeNull();
});

test('lists of logins and of API keys are live', async () => {
  const user = await app.user();
  const logins = await subscribe(app.yoga, user.headers, 'subscription { sessionsUpdated { isCurrent } }');
  const keys = await subscribe(app.yoga, user.headers, 'subscription { apiKeysUpdated { name } }');
  expect(await logins.take(1)).toEqual([[{ isCurrent: true }]]);
  expect(await keys.take(1)).toEqual([[]]);
  await logInAgain(user);
  await app.keyOf(user);
  expect(await logins.take(1)).toEqual([[{ isCurrent: false }, { isCurrent: true }]]);
  expect(await keys.take(1)).toEqual([[{ name: 'test' }]]);
});
