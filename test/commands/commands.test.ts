import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeShell, openShell, type Shell } from '../support/commands.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
/** Of an admin: the first user. */
let shell: Shell;

beforeAll(async () => {
  system = await startSystem();
  await system.start('manager');
  await system.start('worker');
  shell = openShell({ TASKFLOW_URL: system.url, TASKFLOW_TOKEN: system.token });
  await waitFor(async () => {
    const { taskTypes } = await system.graphql<{ taskTypes: { type: string }[] }>('{ taskTypes { type } }');
    return taskTypes.some(({ type }) => type === 'echo');
  });
}, 120_000);
afterAll(async () => {
  closeShell(shell);
  await system[Symbol.asyncDispose]();
});

const lines = (text: string): unknown[] =>
  text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('logging in', () => {
  test('keeps the login where only its owner can read it, and forgets it', async () => {
    const visitor = openShell({});
    try {
      const login = await visitor.run(['login', system.url, '--user', 'fault', '--password-stdin'], {
        input: 'a long password\n',
      });
      expect(login).toMatchObject({ code: 0, stderr: '' });
      expect(login.stdout).toContain(`Logged in to ${system.url} as fault, an admin`);
      const file = join(visitor.home, '.config', 'taskflow', 'profiles.json');
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const whoami = await visitor.run(['whoami', '--json']);
      expect(lines(whoami.stdout)).toEqual([
        expect.objectContaining({ username: 'fault', url: system.url, credentials: 'LOGIN', from: file }),
      ]);
      expect(await visitor.run(['logout'])).toMatchObject({ code: 0, stdout: `Logged out of ${system.url}.\n` });
      const after = await visitor.run(['whoami']);
      expect(after).toMatchObject({ code: 3, stdout: '' });
      expect(after.stderr).toContain('taskflow login');
    } finally {
      closeShell(visitor);
    }
  });

  test('keeps an API key instead, which has no rights of an admin', async () => {
    const visitor = openShell({});
    try {
      const args = ['login', system.url, '--user', 'fault', '--password-stdin', '--days', '7'];
      expect(await visitor.run(args, { input: 'a long password' })).toMatchObject({ code: 0 });
      const { stdout } = await visitor.run(['keys', 'list', '--json']);
      expect(lines(stdout)[0]).toMatchObject({ isActive: true, scopes: ['TASKS_READ', 'TASKS_WRITE', 'KEYS_ADMIN'] });
      expect(await visitor.run(['pause', 'default'])).toMatchObject({ code: 3, stdout: '' });
    } finally {
      closeShell(visitor);
    }
  });

  test('refuses a wrong password', async () => {
    const result = await shell.run(['login', system.url, '--user', 'fault', '--password-stdin', '--json'], {
      input: 'a wrong password',
    });
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect(JSON.parse(result.stderr)).toMatchObject({ error: { code: 'UNAUTHENTICATED', exit: 3 } });
  });

  test('takes the environment before the kept login', async () => {
    const result = await shell.run(['whoami'], { env: { TASKFLOW_TOKEN: 'wrong' } });
    expect(result).toMatchObject({ code: 3, stdout: '' });
  });
});

describe('submitting and watching', () => {
  test('prints the id alone, and what becomes of the task', async () => {
    const submitted = await shell.run(['submit', 'echo', '--payload', '{"n":1}', '--tag', 'one,two']);
    expect(submitted).toMatchObject({ code: 0, stderr: '' });
    const id = submitted.stdout.trim();
    const watched = await shell.run(['watch', id, '--json']);
    expect(watched.code).toBe(0);
    expect(lines(watched.stdout)).toMatchObject([
      { seq: 1, status: 'QUEUED' },
      { seq: 2, status: 'PROCESSING' },
      { seq: 3, status: 'COMPLETED' },
    ]);
    const shown = await shell.run(['show', id]);
    expect(shown.stdout).toMatch(/status +COMPLETED/);
    expect(shown.stdout).toContain('one, two');
    expect(shown.stdout).toMatch(/QUEUED[\s\S]+\+\S+ +PROCESSING[\s\S]+\+\S+ +COMPLETED/);
    expect(JSON.parse((await shell.run(['show', id, '--json'])).stdout)).toMatchObject({ id, result: { n: 1 } });
  });

  test('reads the payload from stdin and from a file, and waits for the end', async () => {
    const input = '{"from":"stdin"}';
    const ofStdin = await shell.run(['submit', 'echo', '--payload', '-', '--watch', '--json'], { input });
    expect(lines(ofStdin.stdout)).toMatchObject([{ status: 'COMPLETED', result: { from: 'stdin' } }]);
    const file = join(shell.home, 'payload.json');
    writeFileSync(file, '{"from":"file"}');
    const ofFile = await shell.run(['submit', 'echo', '--payload', `@${file}`, '--watch']);
    expect(ofFile).toMatchObject({ code: 0 });
    expect(ofFile.stdout).toContain('"from": "file"');
  });

  test('says by its exit code that the task failed', async () => {
    const args = ['submit', 'fail', '--payload', '{"message":"no \\u001b]0;luck"}', '--max-attempts', '1', '--watch'];
    const result = await shell.run(args);
    expect(result.code).toBe(8);
    // What a handler says is shown, and not obeyed.
    expect(result.stdout).not.toContain('\u001b');
    expect(result.stdout).toContain('no \\u001b]0;luck');
  });

  test('the same key gives the same task, and contradicts another payload', async () => {
    const submit = (n: number) => shell.run(['submit', 'echo', '--payload', `{"n":${n}}`, '--key', 'once']);
    const [first, second, other] = [await submit(1), await submit(1), await submit(2)];
    expect(second.stdout).toBe(first.stdout);
    expect(other).toMatchObject({ code: 5, stdout: '' });
  });

  test('watches all that match, until Ctrl-C', async () => {
    const watching = shell.start(['watch', '--tag', 'seen', '--json']);
    // Only what happens from now on is shown: tasks are submitted until the first one is.
    const isSeen = watching.waitFor(/COMPLETED/);
    let isOver = false;
    void isSeen.finally(() => {
      isOver = true;
    });
    await waitFor(async () => {
      if (!isOver) await shell.run(['submit', 'echo', '--tag', 'seen']);
      return isOver;
    });
    await isSeen;
    watching.child.kill('SIGINT');
    expect((await watching.result).code).toBe(130);
    expect(lines(watching.shown())[0]).toMatchObject({ cursor: expect.any(String), task: { type: 'echo' } });
  });

  test('lists by filter, and ends quietly when nobody reads on', async () => {
    await system.submit(1_200, 'echo', { many: true }, { tags: ['many'], runAt: '2099-01-01T00:00:00Z' });
    const all = await shell.run(['tasks', '--tag', 'many', '--status', 'scheduled', '--limit', '0', '--json']);
    expect(lines(all.stdout)).toHaveLength(1_200);
    const none = await shell.run(['tasks', '--tag', 'many', '--type', 'sleep']);
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'No task matches.\n' });
    const cut = shell.start(['tasks', '--tag', 'many', '--limit', '0']);
    cut.child.stdout?.once('data', () => cut.child.stdout?.destroy());
    expect((await cut.result).code).toBe(141);
  });

  test('shows log lines of a task', async () => {
    const { stdout } = await shell.run(['submit', 'sleep', '--payload', '{"ms":50}', '--watch', '--json']);
    const { id } = JSON.parse(stdout) as { id: string };
    expect(await shell.run(['logs', id, '-f'])).toMatchObject({ code: 0, stderr: '' });
    expect(await shell.run(['logs', id])).toMatchObject({ code: 0 });
  });
});

describe('acting on tasks', () => {
  test('cancels and retries by id, and says when that is not possible', async () => {
    const [id] = (await system.submit(1, 'echo', {}, { runAt: '2099-01-01T00:00:00Z' })) as [string];
    expect(await shell.run(['cancel', id, '--reason', 'wrong'])).toMatchObject({ code: 0, stderr: '' });
    const again = await shell.run(['cancel', id]);
    expect(again).toMatchObject({ code: 5, stdout: '' });
    expect(again.stderr).toContain('taskflow show');
    const retried = await shell.run(['retry', id, '--json']);
    expect(JSON.parse(retried.stdout)).toMatchObject({ id });
  });

  test('puts parents back before those that wait for them, however their ids are given', async () => {
    const later = { runAt: '2099-01-01T00:00:00Z' };
    const [parent] = (await system.submit(1, 'echo', {}, later)) as [string];
    const [child] = (await system.submit(1, 'echo', {}, { dependsOn: [parent] })) as [string];
    await shell.run(['pause', 'default']);
    await shell.run(['cancel', parent]);
    await shell.run(['watch', child]);
    const { stdout } = await shell.run(['retry', child, parent, '--json']);
    await shell.run(['resume', 'default']);
    expect(lines(stdout)).toEqual([
      { id: parent, status: 'QUEUED' },
      { id: child, status: 'WAITING' },
    ]);
  });

  test('counts what a filter would do, asks first, and does it', async () => {
    await system.submit(30, 'echo', {}, { tags: ['batch'], runAt: '2099-01-01T00:00:00Z' });
    const dry = await shell.run(['cancel', '--tag', 'batch', '--dry-run']);
    expect(dry).toMatchObject({ code: 0, stdout: '30 tasks would be cancelled, 0 left as they are.\n' });
    const unasked = await shell.run(['cancel', '--tag', 'batch']);
    expect(unasked.code).toBe(2);
    expect(unasked.stderr).toContain('--yes');
    const done = await shell.run(['cancel', '--tag', 'batch', '--yes', '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({ kind: 'CANCEL', status: 'COMPLETED', done: 30, skipped: 0 });
    const deleted = await shell.run(['delete', '--tag', 'batch', '--yes']);
    expect(deleted.stdout).toBe('30 tasks deleted, 0 left as they were.\n');
    const { stdout } = await shell.run(['operations', 'list', '--json']);
    expect(lines(stdout)[0]).toMatchObject({ kind: 'DELETE', done: 30 });
  });

  test('does nothing where it is not said which tasks', async () => {
    const result = await shell.run(['delete', '--yes']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('--all');
  });
});

describe('queues, keys, schedules and flows', () => {
  test('pauses, drains, resumes and purges a queue', async () => {
    await shell.run(['submit', 'echo', '--queue', 'side', '--run-at', '1h']);
    expect((await shell.run(['pause', 'side'])).stdout).toContain('paused');
    expect((await shell.run(['drain', 'side', '--json'])).stdout).toContain('"isDraining":true');
    const { stdout } = await shell.run(['queues']);
    expect(stdout).toMatch(/side +0 +1 .*paused, draining/);
    expect((await shell.run(['resume', 'side', '--json'])).stdout).toContain('"isPaused":false');
    expect(await shell.run(['purge', 'side', '--yes'])).toMatchObject({ code: 0, stdout: '1 task cancelled.\n' });
    expect((await shell.run(['workers', '--json'])).stdout).toContain('"language":"typescript"');
    expect((await shell.run(['types', 'sleep'])).stdout).toContain('"ms"');
  });

  test('makes, rotates and revokes a key, whose secret stands alone on stdout', async () => {
    const made = await shell.run(['keys', 'create', 'ci', '--scopes', 'tasks_read', '--days', '2']);
    const secret = made.stdout.trim();
    expect(secret).toMatch(/^tf_\S+$/);
    const asKey = { env: { TASKFLOW_TOKEN: '', TASKFLOW_API_KEY: secret } };
    expect((await shell.run(['whoami'], asKey)).stdout).toContain('API key');
    expect(await shell.run(['submit', 'echo'], asKey)).toMatchObject({ code: 3 });
    const [key] = lines((await shell.run(['keys', 'list', '--json'])).stdout) as { id: string }[];
    const rotated = await shell.run(['keys', 'rotate', key?.id ?? '', '--overlap', '0m', '--json']);
    const { apiKey } = JSON.parse(rotated.stdout) as { apiKey: { id: string } };
    expect(await shell.run(['whoami'], asKey)).toMatchObject({ code: 3 });
    expect(await shell.run(['keys', 'revoke', apiKey.id, '--yes'])).toMatchObject({ code: 0 });
  });

  test('makes a schedule, runs it, changes it and deletes it', async () => {
    const args = ['schedules', 'create', 'nightly', '30 2 * * *', 'echo', '--payload', '{"n":1}', '--json'];
    const { id } = JSON.parse((await shell.run(args)).stdout) as { id: string };
    expect((await shell.run(['schedules', 'show', id])).stdout.match(/next /g)).toHaveLength(5);
    expect((await shell.run(['schedules', 'run', id])).stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await shell.run(['schedules', 'pause', id])).stdout).toContain('is paused');
    expect((await shell.run(['schedules', 'list'])).stdout).toMatch(/nightly +30 2 \* \* \* UTC +echo +paused/);
    const updated = await shell.run(['schedules', 'update', id, '--cron', '@hourly', '--json']);
    expect(JSON.parse(updated.stdout)).toMatchObject({ cron: '@hourly', name: 'nightly' });
    expect(await shell.run(['schedules', 'resume', id])).toMatchObject({ code: 0 });
    expect(await shell.run(['schedules', 'delete', id, '--yes'])).toMatchObject({ code: 0 });
    expect(await shell.run(['schedules', 'show', id])).toMatchObject({ code: 4, stdout: '' });
  });

  test('submits a flow and shows where its tasks stand', async () => {
    const tasks = [
      { name: 'a', type: 'echo' },
      { name: 'b', type: 'echo', dependsOn: ['a'] },
    ];
    const input = JSON.stringify({ name: 'two', tasks });
    const { stdout } = await shell.run(['flows', 'submit', '-'], { input });
    const shown = await shell.run(['flows', 'show', stdout.trim()]);
    expect(shown.stdout).toMatch(/b +\w+ +echo +\S+ +a\n/);
    expect((await shell.run(['flows', 'list'])).stdout).toContain('two');
  });
});

describe('faults', () => {
  test.each([
    [['show', '0198c1a2-0000-7000-8000-000000000000'], 4, 'taskflow tasks'],
    [['watch', '0198c1a2-0000-7000-8000-000000000000'], 4, 'taskflow tasks'],
    [['submit', 'echo', '--payload', '{n:1}'], 2, '@file.json'],
    [['submit', 'sleep', '--payload', '{"ms":"long"}'], 2, 'ms'],
    [['tasks', '--since', 'yesterday'], 2, '2h'],
    [['tasks', '--status', 'lost'], 2, 'COMPLETED'],
    [['tasks', '--colour'], 2, '--help'],
    [['nonsense'], 2, '--help'],
    [['pause', 'Not A Queue'], 2, 'name'],
  ])('%j ends with %i and names what to do', async (args, code, advice) => {
    const result = await shell.run(args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(advice);
  });

  test('says that nothing is there', async () => {
    const result = await shell.run(['tasks', '--url', 'http://127.0.0.1:9']);
    expect(result).toMatchObject({ code: 7, stdout: '' });
    expect(result.stderr).toContain('taskflow doctor');
  });
});
