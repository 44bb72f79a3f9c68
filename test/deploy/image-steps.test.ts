import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { asContainer, buildImage, canBuildImages, type Image } from '../support/image-builder.ts';
import { createDatabase, dropDatabase, spawnCommand, type TestProcess, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

const CONTEXT = fileURLToPath(new URL('../..', import.meta.url));

/** It takes minutes and the network, so it runs only in continuous integration and as `npm run check:image`. */
const isWanted = Boolean(process.env.CI || process.env.CHECK_IMAGE);
if (isWanted && !canBuildImages()) throw new Error('mmdebstrap is missing, or the right to mount; see .ci/run');

describe.skipIf(!isWanted)('the image', () => {
  let folder: string;
  let image: Image;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taskflow-image-'));
    const dockerfile = await readFile(join(CONTEXT, 'Dockerfile'), 'utf8');
    image = buildImage(dockerfile, { context: CONTEXT, folder, node: process.execPath });
  }, 1_800_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const run = (env: Record<string, string>, ...args: string[]): TestProcess =>
    spawnCommand('unshare', asContainer(image, env, args), {});

  /** Sends a signal to process 1 of a container, as Docker does. */
  const signal = ({ pid }: TestProcess, name: NodeJS.Signals): void => {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    process.kill(Number(child), name);
  };

  test('holds JavaScript and what it needs to run, and is small', () => {
    const files = globSync('**/*', { cwd: join(image.root, 'app'), exclude: ['node_modules'] });
    expect(files.filter((file) => /(?<!\.d)\.ts$/.test(file))).toEqual([]);
    expect(files).toContain('web/dist/index.html');
    const packages = globSync('app/node_modules/{prisma,typescript,vitest,vite,@types/node}', { cwd: image.root });
    expect(packages.filter((name) => !name.endsWith('@types/node'))).toEqual([]);
    expect(globSync('usr/local/lib/node_modules/npm', { cwd: image.root })).toEqual([]);
    const megabytes = (path: string): number =>
      Number(execFileSync('du', ['-sm', join(image.root, path)], { encoding: 'utf8' }).split('\t')[0]);
    const sizes = { all: megabytes(''), node: megabytes('usr/local/bin/node'), ours: megabytes('app') };
    console.log(`the image takes ${JSON.stringify(sizes)} MB`);
    expect(sizes.ours).toBeLessThan(130);
  });

  test('brings an empty database up to date', async () => {
    const name = `image_${randomBytes(8).toString('hex')}`;
    const url = await createDatabase(inject('postgresUrl'), name);
    onTestFinished(() => dropDatabase(inject('postgresUrl'), name));
    const migrate = run({ DATABASE_URL: url, SERVICE_TYPE: 'migrate' });
    expect(await migrate.exit).toMatchObject({ code: 0 });
    expect(migrate.output()).toMatch(/^Applied /);
  });

  test('runs every process without rights, and each ends in order when it is told to', async () => {
    await using system = await startSystem();
    const { env } = system.app;
    const PORT = String(await freePort());
    const startedAt = performance.now();
    const api = run({ ...env, SERVICE_TYPE: 'api', PORT });
    await waitFor(async () => (await fetch(`http://127.0.0.1:${PORT}/readyz`)).ok);
    console.log(`the api is ready after ${Math.round(performance.now() - startedAt)} ms`);
    const processes = [api, ...['manager', 'worker', 'janitor'].map((name) => run({ ...env, SERVICE_TYPE: name }))];
    for (const each of processes) await each.waitForOutput(/"msg":"started"/);
    const health = asContainer({ ...image, entrypoint: ['node', '/usr/local/bin/taskflow-health.js'] }, { PORT });
    expect(await spawnCommand('unshare', health, {}).exit).toMatchObject({ code: 0 });

    await system.submit(20, 'echo', 1);
    expect(await system.settle()).toEqual([]);
    const users = run(env, 'users', 'promote', 'fault@example.com');
    expect(await users.exit).toMatchObject({ code: 0 });
    expect(users.output()).toContain('fault@example.com');

    for (const each of processes) {
      signal(each, 'SIGTERM');
      expect(await each.exit).toEqual({ code: 0, signal: null });
      expect(each.output()).toContain('"msg":"stopped"');
    }
  });
});
