import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeShell, openShell, type Shell } from '../support/commands.ts';
import { type System, startSystem } from '../support/system.ts';
import { waitFor } from '../support/wait-for.ts';

/** Leaves the second screen, with the cursor shown. */
const LEFT = '\u001b[?25h\u001b[?1049l';

let system: System;
let shell: Shell;

beforeAll(async () => {
  system = await startSystem();
  await system.start('manager');
  await system.start('worker');
  shell = openShell({ TASKFLOW_URL: system.url, TASKFLOW_TOKEN: system.token });
}, 120_000);
afterAll(async () => {
  closeShell(shell);
  await system[Symbol.asyncDispose]();
});

describe('in a terminal', () => {
  test('login asks, and does not show the password', async () => {
    const visitor = openShell({});
    const login = visitor.terminal(['login', system.url]);
    await login.waitFor(/Email or username.*: /);
    login.type('fault\r');
    await login.waitFor(/Password: /);
    // A letter too many is taken back.
    login.type('a long passwordX\u007f\r');
    const { code, stdout } = await login.result;
    expect(code).toBe(0);
    expect(stdout).toContain('Logged in to');
    expect(stdout).not.toContain('a long password');
    expect(stdout).toMatch(/\Wecho\W/);
    expect(await visitor.run(['whoami'])).toMatchObject({ code: 0 });
    closeShell(visitor);
  });

  test('Ctrl-C at the password ends it, and the terminal shows again what is typed', async () => {
    const login = shell.terminal(['login', system.url, '--user', 'fault']);
    await login.waitFor(/Password: /);
    login.type('secret\u0003');
    const { code, stdout } = await login.result;
    expect(code).toBe(130);
    expect(stdout).not.toContain('secret');
    expect(stdout).toMatch(/[^-]icanon/);
    expect(stdout).toMatch(/[^-]echo\W/);
  });

  test.each([
    ['q', 'by-letter'],
    ['\u0003', 'by-control'],
  ])('top shows what happens, and %j restores the screen', async (key, queue) => {
    const top = shell.terminal(['top']);
    await top.waitFor(/WORKER[\s\S]*YOUR TASKS/);
    // It shows what happens from now on: tasks are submitted until the first one is seen.
    await waitFor(async () => {
      await system.submit(1, 'echo', {}, { queue });
      return /COMPLETED +[0-9a-f-]{36} echo/.test(top.shown());
    });
    await top.waitFor(new RegExp(`${queue} +0 +0`));
    top.type(key);
    const { code, stdout } = await top.result;
    expect(code).toBe(0);
    expect(stdout.slice(stdout.lastIndexOf(LEFT))).toMatch(/[^-]icanon/);
    // No line is wider than the terminal.
    const frames = stdout.slice(0, stdout.lastIndexOf(LEFT)).split('\u001b[H').slice(1);
    const widths = frames.flatMap((frame) =>
      frame.split('\n').map((line) => stripVTControlCharacters(line).trimEnd().length),
    );
    expect(Math.max(...widths)).toBeLessThanOrEqual(100);
    expect(Math.max(...frames.map((frame) => frame.split('\n').length))).toBe(24);
  });

  test('a signal ends top with the screen restored', async () => {
    const top = shell.terminal(['top']);
    await top.waitFor(/q or Ctrl-C ends/);
    process.kill(findTop(), 'SIGTERM');
    const { code, stdout } = await top.result;
    expect(code).toBe(130);
    expect(stdout).toContain(LEFT);
  });

  test('submitting a file shows a bar, and the cursor again afterwards', async () => {
    const file = join(shell.home, 'tasks.ndjson');
    writeFileSync(file, Array.from({ length: 3_000 }, (_, n) => `{"type":"echo","payload":${n}}`).join('\n'));
    const { code, stdout } = await shell.terminal(['submit', '--file', file]).result;
    expect(code).toBe(0);
    expect(stdout).toMatch(/█.*3000\/3000 tasks/);
    expect(stdout).toContain('3,000 lines submitted: 3,000 new.');
    expect(stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001b[?25l'));
  });

  test('tables have colours and fit, and NO_COLOR takes the colours away', async () => {
    const args = [
      'submit',
      'fail',
      '--payload',
      `{"message":"${'long '.repeat(40)}"}`,
      '--max-attempts',
      '1',
      '--watch',
    ];
    await shell.run(args);
    const { stdout: coloured } = await shell.terminal(['tasks', '--status', 'failed']).result;
    expect(coloured).toContain('\u001b[31mFAILED');
    const row = coloured.split('\n').find((line) => line.includes('FAILED')) ?? '';
    expect(stripVTControlCharacters(row).trimEnd().length).toBeLessThanOrEqual(100);
    const { stdout: bare } = await shell.terminal(['tasks', '--status', 'failed'], { NO_COLOR: '1' }).result;
    expect(bare).toContain('FAILED');
    expect(bare).not.toContain('\u001b[');
  });

  test('asks before it does something to many tasks, and no means no', async () => {
    await system.submit(5, 'echo', {}, { tags: ['asked'], runAt: '2099-01-01T00:00:00Z' });
    const cancel = shell.terminal(['cancel', '--tag', 'asked']);
    await cancel.waitFor(/5 tasks will be cancelled\. Go on\? \[y\/N\]/);
    cancel.type('n\r');
    expect((await cancel.result).code).toBe(130);
    const { stdout } = await shell.run(['tasks', '--tag', 'asked', '--status', 'scheduled', '--json']);
    expect(stdout.trim().split('\n')).toHaveLength(5);
  });
});

/** The process of `taskflow top` that this test started: the only one with this API. */
const findTop = (): number => {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      const isTop = args[0] === process.execPath && args[2] === 'top';
      if (isTop && readFileSync(`/proc/${name}/environ`, 'utf8').includes(system.url)) return Number(name);
    } catch {
      // It has ended, or is somebody else's.
    }
  }
  throw new Error('top does not run');
};
