import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { closeShell, openShell, type Shell } from '../support/commands.ts';
import { spawnProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
/** Of an admin: the first user, "fault". */
let shell: Shell;
let visitor: Shell;
let count = 0;
/** Signs up before each test. */
let username: string;
let email: string;

const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token user { id } } }';

interface UserRow {
  id: string;
  username: string;
  role: string;
  lockedAt: string | null;
}

beforeAll(async () => {
  system = await startSystem();
  shell = openShell({ TASKFLOW_URL: system.url, TASKFLOW_TOKEN: system.token });
  visitor = openShell({ TASKFLOW_URL: system.url });
}, 120_000);
afterAll(async () => {
  closeShell(shell);
  closeShell(visitor);
  await system[Symbol.asyncDispose]();
});

let id: string;
let asUser: { env: Record<string, string> };

beforeEach(async () => {
  count += 1;
  username = `user-${count}`;
  email = `${username}@example.com`;
  const input = { email, username, password: 'a long password' };
  const { signUp } = await system.graphql<{ signUp: { token: string; user: { id: string } } }>(SIGN_UP, { input });
  id = signUp.user.id;
  asUser = { env: { TASKFLOW_TOKEN: signUp.token } };
});

const listed = async (...options: string[]): Promise<string[]> => {
  const { stdout } = await shell.run(['users', 'list', '--json', ...options]);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as UserRow).username);
};

describe('users list', () => {
  test('shows who there is, newest first, by role, lock and name', async () => {
    const { code, stdout } = await shell.run(['users', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`${id} +${email} +${username} +user +\\d{4}-\\d\\d-\\d\\d .* 0 +1`));
    expect((await listed())[0]).toBe(username);
    expect(await listed('--role', 'admin')).toEqual(['fault']);
    expect(await listed('--search', email.toUpperCase())).toEqual([username]);
    expect(await listed('--limit', '1')).toEqual([username]);
    await shell.run(['users', 'lock', id, '--yes']);
    expect(await listed('--locked')).toEqual([username]);
    expect(await listed('--no-locked')).not.toContain(username);
    await shell.run(['users', 'unlock', id]);
    expect((await shell.run(['users', 'list', '--locked'])).code).toBe(0);
    expect(await listed('--locked')).toEqual([]);
  });

  test('is for admins', async () => {
    expect(await shell.run(['users', 'list'], asUser)).toMatchObject({ code: 3, stdout: '' });
    expect(await visitor.run(['users', 'list'])).toMatchObject({ code: 3, stdout: '' });
  });
});

describe('users lock and unlock', () => {
  test('keep a user out and let it in again, by email, username or id', async () => {
    expect(await shell.run(['users', 'lock', email.toUpperCase(), '--yes'])).toMatchObject({
      code: 0,
      stdout: `${username} (${email}) is locked.\n`,
    });
    await waitFor(async () => (await shell.run(['whoami'], asUser)).code === 3);
    const login = ['login', system.url, '--user', username, '--password-stdin'];
    expect(await visitor.run(login, { input: 'a long password' })).toMatchObject({ code: 3 });
    const unlocked = await shell.run(['users', 'unlock', username, '--json']);
    expect(JSON.parse(unlocked.stdout)).toMatchObject({ id, username, lockedAt: null });
    expect(await visitor.run(login, { input: 'a long password' })).toMatchObject({ code: 0 });
    const locked = await shell.run(['users', 'lock', id, '--yes', '--json']);
    expect(JSON.parse(locked.stdout)).toMatchObject({ id, lockedAt: expect.any(String) });
  });

  test('change nothing without a yes, nor for a part of a name, nor oneself', async () => {
    expect(await shell.run(['users', 'lock', username])).toMatchObject({ code: 2, stdout: '' });
    expect(await shell.run(['users', 'lock', username.slice(0, 4), '--yes'])).toMatchObject({ code: 4, stdout: '' });
    expect(await shell.run(['users', 'lock', 'fault', '--yes'])).toMatchObject({ code: 2, stdout: '' });
    expect(await shell.run(['users', 'unlock', '0198c1a2-0000-7000-8000-000000000000'])).toMatchObject({ code: 4 });
    expect(await listed('--locked')).not.toContain(username);
    expect(await listed('--locked')).not.toContain('fault');
  });
});

describe('users role', () => {
  test('makes an admin of a user, and an ordinary user of an admin', async () => {
    expect(await shell.run(['users', 'role', username, 'admin'])).toMatchObject({
      code: 0,
      stdout: `${username} (${email}) is an admin.\n`,
    });
    await waitFor(async () => (await shell.run(['users', 'list'], asUser)).code === 0);
    const demoted = await shell.run(['users', 'role', id, 'user', '--json']);
    expect(JSON.parse(demoted.stdout)).toMatchObject({ id, role: 'USER' });
    expect(await listed('--role', 'admin')).toEqual(['fault']);
  });

  test('does not take it from the last admin, and knows no other role', async () => {
    expect(await shell.run(['users', 'role', 'fault', 'user'])).toMatchObject({ code: 5, stdout: '' });
    expect(await shell.run(['users', 'role', username, 'king'])).toMatchObject({ code: 2, stdout: '' });
    expect(await listed('--role', 'admin')).toEqual(['fault']);
  });
});

describe('users promote and demote', () => {
  test('go past the API: they take the role from the last admin, and give it back where there is none', async () => {
    const operator = async (...args: string[]) => (await spawnProcess(['users', ...args], system.app.env).exit).code;
    expect(await operator('demote', 'fault')).toBe(0);
    await waitFor(async () => (await shell.run(['users', 'list'])).code === 3);
    expect(await operator('promote', 'fault')).toBe(0);
    await waitFor(async () => (await shell.run(['users', 'list'])).code === 0);
    expect(await listed('--role', 'admin')).toEqual(['fault']);
  });
});
