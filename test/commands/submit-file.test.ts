import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { closeShell, openShell, type Shell } from '../support/commands.ts';
import { type System, startSystem } from '../support/system.ts';
import { waitFor } from '../support/wait-for.ts';

let system: System;
let shell: Shell;
let file: string;

beforeAll(async () => {
  system = await startSystem();
}, 120_000);
afterAll(() => system[Symbol.asyncDispose]());
beforeEach(async () => {
  shell = openShell({ TASKFLOW_URL: system.url, TASKFLOW_TOKEN: system.token });
  file = join(shell.home, 'tasks.ndjson');
  return () => closeShell(shell);
});

/** Tasks that no worker runs, each with its number; `tag` tells files apart. */
const write = (count: number, tag: string, more: Record<string, unknown> = {}): void => {
  const lines = Array.from({ length: count }, (_, n) =>
    JSON.stringify({ type: 'nobody-runs-this', payload: { n }, tags: [tag], ...more }),
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
};

const submit = (...more: string[]): ReturnType<Shell['run']> =>
  shell.run(['submit', '--file', file, '--json', ...more]);
const countOf = (tag: string): Promise<number> => system.app.database.task.count({ where: { tags: { has: tag } } });

describe('submitting a file', () => {
  test('submits each line once, also when it is submitted again', async () => {
    write(2_500, 'twice');
    const first = await submit();
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(first.stdout)).toEqual({ lines: 2_500, new: 2_500, known: 0, refused: [] });
    expect(JSON.parse((await submit()).stdout)).toEqual({ lines: 2_500, new: 0, known: 2_500, refused: [] });
    expect(await countOf('twice')).toBe(2_500);
    // Another name means that it is wanted once more.
    expect(JSON.parse((await submit('--run', 'again')).stdout)).toMatchObject({ new: 2_500 });
    expect(await countOf('twice')).toBe(5_000);
  });

  test('goes on after kill -9 in the middle, and doubles nothing', { timeout: 60_000 }, async () => {
    write(20_000, 'killed');
    const first = shell.start(['submit', '--file', file, '--json', '--batch', '200']);
    await waitFor(async () => (await countOf('killed')) >= 2_000);
    first.child.kill('SIGKILL');
    await first.result;
    const there = await countOf('killed');
    expect(there).toBeLessThan(20_000);
    const second = await submit('--batch', '200');
    expect(second).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Going on after line [1-9]/) });
    expect(await countOf('killed')).toBe(20_000);
    const payloads = await system.app.database.$queryRaw<{ count: number }[]>`
      SELECT count(DISTINCT payload)::int AS count FROM tasks WHERE 'killed' = ANY(tags)`;
    expect(payloads).toEqual([{ count: 20_000 }]);
    // What it says is new is what came: but for requests that were on their way when the first one was killed.
    expect(JSON.parse(second.stdout).new).toBeGreaterThanOrEqual(20_000 - there - 4 * 200);
    expect(JSON.parse(second.stdout).new).toBeLessThanOrEqual(20_000 - there);
  });

  test('loses and doubles nothing without its journal, too', async () => {
    write(3_000, 'forgotten');
    await submit();
    const elsewhere = openShell(shell.env);
    const again = await elsewhere.run(['submit', '--file', file, '--json'], { env: { HOME: elsewhere.home } });
    expect(JSON.parse(again.stdout)).toMatchObject({ new: 0, known: 3_000 });
    closeShell(elsewhere);
  });

  test('sets refused lines aside, submits the others, and says which', async () => {
    const line = (n: number, more: object = {}): string =>
      JSON.stringify({ payload: { n }, tags: ['refused'], ...more });
    const lines = Array.from({ length: 50 }, (_, n) => line(n));
    lines[9] = line(9, { queue: 'Not A Queue' });
    lines[19] = line(19, { idempotencyKey: 'own' });
    lines[29] = line(29, { idempotencyKey: 'own' });
    writeFileSync(file, lines.join('\n'));
    const result = await shell.run(['submit', 'nobody-runs-this', '--file', file, '--json']);
    expect(result.code).toBe(9);
    const summary = JSON.parse(result.stdout);
    expect(summary.refused).toEqual([
      { line: 10, message: expect.stringContaining('queue') },
      { line: 30, message: expect.stringContaining('"own"') },
    ]);
    expect(summary).toMatchObject({ lines: 50, new: 48 });
    expect(await countOf('refused')).toBe(48);
  });

  test('names the line that is no JSON, and a file that is not there', async () => {
    writeFileSync(file, '{"type":"echo"}\n\n{"type":\n');
    const broken = await submit();
    expect(broken).toMatchObject({ code: 2, stdout: '' });
    expect(JSON.parse(broken.stderr).error.message).toContain('Line 3 ');
    const missing = await shell.run(['submit', '--file', join(shell.home, 'none')]);
    expect(missing).toMatchObject({ code: 2, stdout: '' });
    expect(missing.stderr).toContain('ENOENT');
  });

  test('waits for an api that is away, and goes on', { timeout: 60_000 }, async () => {
    await using other = await startSystem();
    const elsewhere = openShell({ TASKFLOW_URL: other.url, TASKFLOW_TOKEN: other.token });
    write(10_000, 'away');
    const count = (): Promise<number> => other.app.database.task.count();
    const running = elsewhere.start(['submit', '--file', file, '--json', '--batch', '100']);
    await waitFor(async () => (await count()) >= 500);
    await other.api.kill('SIGKILL');
    expect(await count()).toBeLessThan(10_000);
    await other.start('api');
    expect(await running.result).toMatchObject({ code: 0 });
    expect(await count()).toBe(10_000);
    closeShell(elsewhere);
  });
});
