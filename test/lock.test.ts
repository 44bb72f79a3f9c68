import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const LOCK = new URL('../bin/lock.js', import.meta.url).href;

/** Says when it begins and when it ends, 20 times. */
const SCRIPT = `
  import { appendFileSync } from 'node:fs';
  import { setTimeout } from 'node:timers/promises';
  import { withLock } from ${JSON.stringify(LOCK)};
  const [lock, log] = process.argv.slice(1);
  for (let n = 0; n < 20; n += 1) {
    await withLock(lock, async () => {
      appendFileSync(log, process.pid + ' begins\\n');
      await setTimeout(2);
      appendFileSync(log, process.pid + ' ends\\n');
    });
  }
`;

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'taskflow-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
};

/** Four processes want the same lock. @returns what they say */
const contend = async (folder: string): Promise<string[]> => {
  const args = ['--input-type=module', '--eval', SCRIPT, join(folder, 'lock'), join(folder, 'log')];
  await Promise.all(Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, args)));
  return (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n');
};

const expectTurns = (lines: string[]): void => {
  expect(lines).toHaveLength(160);
  for (let at = 0; at < lines.length; at += 2) {
    expect(lines[at]).toMatch(/begins$/);
    expect(lines[at + 1]).toBe(lines[at]?.replace('begins', 'ends'));
  }
};

test('processes take turns, and leave nothing behind', async () => {
  const folder = await newFolder();
  expectTurns(await contend(folder));
  expect(await readdir(folder)).toEqual(['log']);
});

test('the lock of a process that was killed is taken over, by one of those who wait', async () => {
  const folder = await newFolder();
  const minuteAgo = new Date(Date.now() - 60_000);
  await writeFile(join(folder, 'lock'), '');
  await utimes(join(folder, 'lock'), minuteAgo, minuteAgo);
  expectTurns(await contend(folder));
  expect(await readdir(folder)).toEqual(['log']);
});

test('work that fails gives the lock back, and its error', async () => {
  const folder = await newFolder();
  const { withLock } = await import(LOCK);
  const work = () => Promise.reject(new Error('no space'));
  await expect(withLock(join(folder, 'lock'), work)).rejects.toThrow('no space');
  expect(await readdir(folder)).toEqual([]);
});
