import { appendFile, chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spawnNode, type TestProcess } from './support/setup.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Stands in for `taskflow`: tells its arguments, and takes its time to stop. */
const CLI = `
  const stop = (signal) => { console.log('stopping on', signal); setTimeout(() => process.exit(7), 200); };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  console.log('cli', process.version, JSON.stringify(process.argv.slice(2)));
  if (process.argv.includes('end')) process.exit(5);
  setInterval(() => {}, 1e6);
`;

/** As much of a clone as bin/start.js looks at, with the packages of this one. */
let clone: string;

beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), 'taskflow-test-'));
  await mkdir(join(clone, 'src', 'database'), { recursive: true });
  await writeFile(join(clone, 'src', 'cli.ts'), CLI);
  for (const path of ['bin', 'prisma', 'package.json', 'package-lock.json']) {
    await cp(join(ROOT, path), join(clone, path), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
});

afterAll(() => rm(clone, { recursive: true, force: true }));

const start = (args: string[], env: Record<string, string> = {}): TestProcess =>
  spawnNode([join(clone, 'bin', 'start.js'), ...args], env);

const GENERATING = 'Generating the database client';

describe('bin/start.js', () => {
  test('generates the client when it is missing or the schema has changed, and only then', async () => {
    const first = start(['up', 'end']);
    expect(await first.exit).toMatchObject({ code: 5 });
    expect(first.output()).toContain(GENERATING);
    expect(await readFile(join(clone, 'src/database/generated/client/client.ts'), 'utf8')).toContain('PrismaClient');

    const second = start(['up', 'end']);
    expect(await second.exit).toMatchObject({ code: 5 });
    expect(second.output()).not.toContain(GENERATING);

    await appendFile(join(clone, 'prisma/schema.prisma'), '\n// changed\n');
    const third = start(['up', 'end']);
    expect(await third.exit).toMatchObject({ code: 5 });
    expect(third.output()).toContain(GENERATING);
    // Prisma is slow to start when both cores are busy.
  }, 120_000);

  test('passes arguments on, and runs them with the Node of the packages', async () => {
    const child = start(['up', '--no-sample', 'end']);
    const [, version, args] = await child.waitForOutput(/cli v(\d+)\.\S+ (.*)/);
    expect(Number(version)).toBeGreaterThanOrEqual(24);
    expect(JSON.parse(args ?? '')).toEqual(['up', '--no-sample', 'end']);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('hands %s on and waits until the child has shut down', async (signal) => {
    const child = start(['up']);
    await child.waitForOutput(/cli/);
    expect(await child.kill(signal)).toEqual({ code: 7, signal: null });
    expect(child.output()).toContain(`stopping on ${signal}`);
  });

  test('names the commands when it does not know one', async () => {
    const child = start(['upp']);
    expect(await child.exit).toMatchObject({ code: 2 });
    expect(child.output()).toMatch(/^unknown command upp; there are: up, test, .*\n$/);
  });

  test('installs with npm ci when the lock file asks for what is not there, and ends when that fails', async () => {
    const tools = join(clone, 'tools');
    await mkdir(tools);
    await writeFile(join(tools, 'npm'), '#!/bin/sh\necho "npm $1"\nexit 9\n');
    await chmod(join(tools, 'npm'), 0o755);
    const lock = JSON.parse(await readFile(join(clone, 'package-lock.json'), 'utf8'));
    lock.packages['node_modules/pg'].version = '999.0.0';
    await writeFile(join(clone, 'package-lock.json'), JSON.stringify(lock));

    // Its own Node 24 comes first on the PATH, and no npm of the packages: the stand-in is found.
    const child = start(['up'], { PATH: `${tools}:${process.env.PATH}` });

    expect(await child.exit).toMatchObject({ code: 9 });
    expect(child.output()).toMatch(/^Installing packages with npm ci; .*\nnpm ci\n$/);
  });
});
