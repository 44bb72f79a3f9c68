import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, openNode, PASSWORD, setupApi } from '../support/api.ts';
import { waitFor } from '../support/setup.ts';

let app: ApiApp;

beforeAll(async () => {
  app = await setupApi();
});
afterAll(() => app.close());

const LOGIN =
  'mutation ($identifier: String!, $password: String!) { login(input: { identifier: $identifier, password: $password }) { token } }';
const CHANGE =
  'mutation ($current: String!, $new: String!) { changePassword(current: $current, new: $new) { token expiresAt user { id } } }';
const DELETE = 'mutation ($password: String!) { deleteAccount(password: $password) }';
const ME = '{ me { id } }';

const hashOf = async (id: string) => (await app.database.user.findUniqueOrThrow({ where: { id } })).passwordHash;

describe('a hash of other parameters than those of the settings', () => {
  test('is made anew at the next login with the right password', async () => {
    const user = await app.user();
    const old = await hashOf(user.id);
    const config = { ...app.config, PASSWORD_MEMORY_KIB: 64, PASSWORD_PASSES: 1 };
    await using node = await openNode({ ...app, config });
    await node.call(LOGIN, { identifier: user.username, password: 'a wrong one' });
    expect(await hashOf(user.id)).toBe(old);
    const { data } = await node.call(LOGIN, { identifier: user.username, password: PASSWORD });
    expect(await hashOf(user.id)).toMatch(/^\$argon2id\$v=19\$m=64,p=1,t=1\$/);
    // It is the same password: nothing ends.
    for (const token of [data.login.token, user.headers.authorization?.slice(7)])
      expect((await app.call(ME, {}, { authorization: `Bearer ${token}` })).data.me).toEqual({ id: user.id });
    expect((await node.call(LOGIN, { identifier: user.username, password: PASSWORD })).errors).toBeUndefined();
  });
});

describe('changePassword', () => {
  test('gives a new login and ends all others, at once here and within a second on other nodes', async () => {
    await using node = await openNode(app);
    const user = await app.user();
    const second = await app.call(LOGIN, { identifier: user.username, password: PASSWORD });
    const tokens = [user.headers, { authorization: `Bearer ${second.data.login.token}` }];
    const key = await app.keyOf(user);
    for (const headers of tokens) expect((await node.call(ME, {}, headers)).status).toBe(200);
    const { data } = await user.call(CHANGE, { current: PASSWORD, new: 'another password' });
    for (const headers of tokens) expect((await app.call(ME, {}, headers)).status).toBe(401);
    for (const headers of tokens)
      await waitFor(async () => (await node.call(ME, {}, headers)).status === 401, { timeoutMs: 3_000 });
    const fresh = { authorization: `Bearer ${data.changePassword.token}` };
    for (const { call } of [app, node])
      for (const headers of [fresh, key]) expect((await call(ME, {}, headers)).data.me).toEqual({ id: user.id });
    const login = (password: string) => app.call(LOGIN, { identifier: user.username, password });
    expect(errorOf(await login(PASSWORD))).toEqual({ code: 'UNAUTHENTICATED' });
    expect((await login('another password')).errors).toBeUndefined();
  });

  test.each([
    ['a wrong current password', { current: 'wrong', new: 'another password' }, { field: 'current' }],
    ['a new one of 7 characters', { current: PASSWORD, new: '1234567' }, { field: 'new' }],
    ['a new one of 201 characters', { current: PASSWORD, new: 'x'.repeat(201) }, { field: 'new', limit: 200 }],
  ])('refuses %s, and changes nothing', async (_what, args, expected) => {
    const user = await app.user();
    const before = await hashOf(user.id);
    expect(errorOf(await user.call(CHANGE, args))).toEqual({ code: 'BAD_USER_INPUT', ...expected });
    expect(await hashOf(user.id)).toBe(before);
    expect((await user.call(ME)).status).toBe(200);
  });

  test('lets one of two at once win, and leaves the login of the winner', async () => {
    const user = await app.user();
    const answers = await Promise.all([
      user.call(CHANGE, { current: PASSWORD, new: 'first password' }),
      user.call(CHANGE, { current: PASSWORD, new: 'second password' }),
    ]);
    const [winner] = answers.filter(({ errors }) => !errors);
    expect(answers.filter(({ errors }) => errors)).toHaveLength(1);
    const fresh = { authorization: `Bearer ${winner?.data.changePassword.token}` };
    expect((await app.call(ME, {}, fresh)).data.me).toEqual({ id: user.id });
  });
});

describe('deleteAccount', () => {
  test('removes the user with keys and logins, and frees the names', async () => {
    const user = await app.user();
    const key = await app.keyOf(user);
    expect((await user.call(DELETE, { password: PASSWORD })).data).toEqual({ deleteAccount: true });
    for (const headers of [user.headers, key]) expect((await app.call(ME, {}, headers)).status).toBe(401);
    expect(errorOf(await app.call(LOGIN, { identifier: user.email, password: PASSWORD }))).toEqual({
      code: 'UNAUTHENTICATED',
    });
    expect(await app.database.apiKey.count({ where: { userId: user.id } })).toBe(0);
    const input = { email: user.email, username: user.username, password: PASSWORD };
    const again = await app.call('mutation ($input: SignUpInput!) { signUp(input: $input) { user { id isAdmin } } }', {
      input,
    });
    expect(again.data.signUp.user).toMatchObject({ isAdmin: false });
    expect(again.data.signUp.user.id).not.toBe(user.id);
  });

  test('lets running and waiting tasks go on to their end, which is recorded', async () => {
    const user = await app.user();
    const submit = async (queue: string) =>
      (await user.call(`mutation { createTask(input: { type: "echo", queue: "${queue}" }) { id type queue } }`)).data
        .createTask;
    const [running, waiting] = [await submit('running'), await submit('waiting')];
    await app.live.begin(running);
    await user.call(DELETE, { password: PASSWORD });
    await app.live.complete(running);
    await app.live.begin(waiting);
    await app.live.fail(waiting);
    const statusOf = async (id: string) => (await app.database.task.findUniqueOrThrow({ where: { id } })).status;
    expect([await statusOf(running.id), await statusOf(waiting.id)]).toEqual(['COMPLETED', 'FAILED']);
    const admin = await app.admin();
    expect((await admin.call(`{ task(id: "${running.id}") { status } }`)).data.task).toEqual({ status: 'COMPLETED' });
  });

  test('refuses a wrong password, and deletes nothing', async () => {
    const user = await app.user();
    expect(errorOf(await user.call(DELETE, { password: 'wrong' }))).toEqual({
      code: 'BAD_USER_INPUT',
      field: 'password',
    });
    expect((await user.call(ME)).data.me).toEqual({ id: user.id });
  });
});
