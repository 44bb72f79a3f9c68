import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { workersKey } from '../../../src/broker/keys.ts';
import { spawnProcess, waitFor } from '../../support/setup.ts';
import { setupWorkers } from '../runtime/worker-setup.ts';

/** A folder with these files, outside of this package: it has no node_modules. */
const makeFolder = async (files: Record<string, string>): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'tf-tasks-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
};

const GREET = `
  import { defineTask } from 'taskflow/worker';
  import { z } from 'zod';
  import { greeting } from './words.ts';
  export const greet = defineTask({
    type: 'greet',
    payload: z.object({ name: z.string() }),
    handler: ({ payload }) => greeting + ' ' + payload.name,
  });`;
const WORDS = `export const greeting: string = 'Hello';`;
const LISTED = `
  const { defineTask, DoNotRetryError } = require('taskflow/worker');
  module.exports = [
    defineTask({ type: 'first', handler: () => 1 }),
    defineTask({ type: 'refuse', handler: () => { throw new DoNotRetryError('no', { code: 'NO' }); } }),
  ];`;
const SPIN = `
  import { defineTask } from 'taskflow/worker';
  export default defineTask({ type: 'spin', isolate: true, handler: () => { for (;;); } });`;

describe('taskflow worker --tasks', () => {
  test('runs what the files of a folder export, beside the built-in tasks', async () => {
    await using app = await setupWorkers();
    const folder = await makeFolder({ 'greet.ts': GREET, 'words.ts': WORDS, 'listed.cjs': LISTED, 'notes.md': 'x' });
    const [greet = ''] = await app.submit(1, { type: 'greet', payload: { name: 'Ada' } });
    const [refused = ''] = await app.submit(1, { type: 'refuse' });
    const others = [...(await app.submit(1, { type: 'first' })), ...(await app.submit(1, { type: 'echo' }))];

    spawnProcess(['worker', '--tasks', folder, '--concurrency', '5', '--queues', 'default:2,mail'], app.env);

    const [completed] = await app.reached([greet], 'COMPLETED');
    expect(completed?.data).toBe('"Hello Ada"');
    const { redis, shards } = app.broker.low;
    const description = await waitFor(async () => (await redis.hvals(workersKey(shards[0]?.tag ?? '')))[0]);
    expect(JSON.parse(description.split('\t')[1] ?? '')).toMatchObject({ queues: ['default', 'mail'], concurrency: 5 });
    await app.reached(others, 'COMPLETED');
    // Its error is the worker's own class, although the folder is elsewhere.
    const [failed] = await app.reached([refused], 'FAILED');
    expect(JSON.parse(failed?.data ?? '')).toMatchObject({ code: 'NO' });
  });

  test('runs isolated ones in threads', async () => {
    await using app = await setupWorkers();
    const folder = await makeFolder({ 'spin.ts': SPIN });
    const [id = ''] = await app.submit(1, { type: 'spin', timeoutMs: 50, maxAttempts: 1 });
    spawnProcess(['worker', '--tasks', folder], app.env);
    const [failed] = await app.reached([id], 'FAILED');
    expect(JSON.parse(failed?.data ?? '')).toMatchObject({ code: 'TIMEOUT' });
  });

  test('leaves the built-in tasks out when it is told to', async () => {
    await using app = await setupWorkers();
    const folder = await makeFolder({ 'echo.ts': GREET.replace("'greet'", "'echo'"), 'words.ts': WORDS });
    const [id = ''] = await app.submit(1, { type: 'echo', payload: { name: 'Bob' } });
    spawnProcess(['worker', '--tasks', folder, '--no-builtins'], app.env);
    const [completed] = await app.reached([id], 'COMPLETED');
    expect(completed?.data).toBe('"Hello Bob"');
  });

  test.each<[string, Record<string, string>, string[], RegExp]>([
    ['no task', { 'words.ts': WORDS }, [], /tf-tasks-\w+ has no tasks/],
    [
      'a file that does not load',
      { 'bad.ts': 'export const x = ;' },
      [],
      /cannot load the tasks of .*bad\.ts: [\s\S]*SyntaxError/,
    ],
    [
      'a module that is not there',
      { 'bad.ts': "import 'nowhere'" },
      [],
      /cannot load the tasks of .*bad\.ts: .*nowhere/,
    ],
    [
      'a type twice',
      { 'a.ts': GREET, 'b.ts': GREET, 'words.ts': WORDS },
      [],
      /"greet" is defined twice: in .*a\.ts and in .*b\.ts/,
    ],
    [
      'the name of a built-in task',
      { 'a.ts': GREET.replace("'greet'", "'sleep'"), 'words.ts': WORDS },
      [],
      /"sleep" is built in.*--no-builtins/,
    ],
    ['a queue that cannot be', { 'a.ts': GREET, 'words.ts': WORDS }, ['--queues', 'a:0'], /WORKER_QUEUES/],
  ])('does not start with %s, and says why', async (_what, files, args, complaint) => {
    await using app = await setupWorkers();
    const child = spawnProcess(['worker', '--tasks', await makeFolder(files), ...args], app.env);
    expect(await child.exit).toMatchObject({ code: 1 });
    expect(child.output()).toMatch(complaint);
  });

  test('does not start with a folder that is not there, or with nothing to watch', async () => {
    await using app = await setupWorkers();
    const missing = spawnProcess(['worker', '--tasks', '/nowhere/tasks'], app.env);
    const unwatched = spawnProcess(['worker', '--watch'], app.env);
    expect(await Promise.all([missing.exit, unwatched.exit])).toMatchObject([{ code: 1 }, { code: 1 }]);
    expect(missing.output()).toMatch(/cannot read the tasks in \/nowhere\/tasks/);
    expect(unwatched.output()).toMatch(/WORKER_WATCH: needs WORKER_TASKS/);
  });
});

describe('taskflow worker --watch', () => {
  test('loads a changed folder again, while running attempts go on as they began', async () => {
    await using app = await setupWorkers();
    const waiting = (word: string) => `
      import { defineTask } from 'taskflow/worker';
      import { greeting } from './words.ts';
      export const wait = defineTask({
        type: 'wait',
        handler: async ({ payload, signal, progress }) => {
          progress(1);
          while (!globalThis.isOver && payload === 'long') await new Promise((done) => setTimeout(done, 10));
          globalThis.isOver ||= payload === 'end';
          return greeting + ' ${word}';
        },
      });`;
    const folder = await makeFolder({ 'wait.ts': waiting('first'), 'words.ts': WORDS });
    const child = spawnProcess(['worker', '--tasks', folder, '--watch'], app.env);
    const [long = ''] = await app.submit(1, { type: 'wait', payload: 'long' });
    await app.reached([long], 'PROCESSING');

    await writeFile(join(folder, 'words.ts'), 'export const greeting = ;');
    await child.waitForOutput(/the tasks stay as they were: cannot load the tasks of .*wait\.ts/);
    const [before] = await app.reached(await app.submit(1, { type: 'wait' }), 'COMPLETED');
    expect(before?.data).toBe('"Hello first"');

    await writeFile(join(folder, 'wait.ts'), waiting('second'));
    await writeFile(join(folder, 'words.ts'), "export const greeting = 'Bye';");
    await child.waitForOutput(/tasks reloaded/);
    const [after] = await app.reached(await app.submit(1, { type: 'wait', payload: 'end' }), 'COMPLETED');
    expect(after?.data).toBe('"Bye second"');
    const [ended] = await app.reached([long], 'COMPLETED');
    expect(ended).toMatchObject({ data: '"Hello first"', attempt: 1 });
    expect(ended?.workerId).not.toBe(after?.workerId);

    expect(await child.kill()).toMatchObject({ code: 0 });
  });
});
