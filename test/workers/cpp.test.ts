import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildCpp, type CppBuild, cppProgram, missingForCpp, spawnCpp } from '../support/cpp.ts';
import { type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const run = promisify(execFile);
const missing = missingForCpp();
if (missing && process.env.CI) throw new Error(`the worker in C++ cannot be built here: ${missing} is missing`);

const CONTENT = randomBytes(3_000_000);

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'taskflow-cpp-'));
  await mkdir(join(home, 'files'));
  await writeFile(join(home, 'secret'), 'secret');
  await symlink(home, join(home, 'files', 'up'));
  await writeFile(join(home, 'files', 'data.bin'), CONTENT);
});
afterAll(() => rm(home, { recursive: true }));

/** With the folder of files, and the tasks of the conformance tests. */
const startWorker = async (system: System, build: CppBuild, env: Record<string, string> = {}): Promise<TestProcess> => {
  const worker = spawnCpp(
    { ...system.app.env, FILES_DIR: join(home, 'files'), TASKFLOW_CONFORMANCE: '1', ...env },
    build,
  );
  await worker.waitForOutput(/"msg":"started"/);
  return worker;
};

const taskOf = (system: System, id: string | undefined) =>
  system.app.database.task.findUniqueOrThrow({ where: { id: id as string } });

const inStatus = (system: System, ids: readonly string[], status: 'PROCESSING' | 'QUEUED') =>
  waitFor(
    async () => (await system.app.database.task.count({ where: { id: { in: [...ids] }, status } })) === ids.length,
    { what: `${ids.length} tasks are ${status}` },
  );

const TILE = { x: -2, y: 1.2, width: 60, height: 48, step: 0.05, maxIterations: 300 };

/** The result of `mandelbrot.tile`, as computed here. */
const expectedTile = ({ x, y, width, height, step, maxIterations }: typeof TILE) => {
  const counts = Array.from({ length: width * height }, (_, i) => {
    const [cx, cy] = [x + (i % width) * step, y - Math.floor(i / width) * step];
    let [re, im, count] = [0, 0, 0];
    while (count < maxIterations && re * re + im * im <= 4) {
      [re, im] = [re * re - im * im + cx, 2 * re * im + cy];
      count++;
    }
    return count;
  });
  return {
    width,
    height,
    maxIterations,
    inside: counts.filter((count) => count === maxIterations).length,
    iterations: counts.reduce((sum, count) => sum + count),
    pixels: Buffer.from(counts.map((count) => Math.floor((count * 255) / maxIterations))).toString('base64'),
  };
};

/** What both sanitizers begin their reports with. */
const FAULT = /Sanitizer|runtime error:/;

describe.skipIf(missing).each<CppBuild>(['release', 'asan', 'tsan'])('the worker in C++ (%s)', (build) => {
  beforeAll(() => buildCpp(build), 300_000);

  test('passes its unit tests', async () => {
    const { stdout, stderr } = await run(cppProgram('unit-tests', build));
    expect(stdout).toMatch(/^\d\d passed, 0 failed$/m);
    expect(stderr).toBe('');
  });

  test('computes tiles and hashes files', { timeout: 90_000 }, async () => {
    await using system = await startSystem({ settings: { SHARDS_PER_LANE: '2' } });
    await system.start('manager');
    const worker = await startWorker(system, build);
    const tiles = await system.submit(20, 'mandelbrot.tile', TILE);
    const [file] = await system.submit(1, 'file.sha256', { path: 'data.bin' }, { priority: 'HIGH' });
    const [outside] = await system.submit(1, 'file.sha256', { path: 'up/secret' });
    await system.submit(500, 'echo', { n: [1, 'two'] });
    expect(await system.settle()).toEqual([]);
    for (const id of tiles) expect((await taskOf(system, id)).result).toEqual(expectedTile(TILE));
    const sha256 = createHash('sha256').update(CONTENT).digest('hex');
    expect((await taskOf(system, file)).result).toEqual({ path: 'data.bin', bytes: CONTENT.length, sha256 });
    const refused = await taskOf(system, outside);
    expect(refused).toMatchObject({ status: 'FAILED', attempt: 1, error: { code: 'FILE_OUTSIDE' } });
    // Progress is written once a second.
    await waitFor(async () => (await taskOf(system, file)).progress === 100, { what: 'its progress is kept' });
    expect(await system.countByStatus()).toEqual({ COMPLETED: 521, FAILED: 1 });
    const exit = await worker.kill();
    // First, since it says why.
    expect(worker.output()).not.toMatch(FAULT);
    expect(exit).toEqual({ code: 0, signal: null });
  });

  test('is told to stop in every way, while handlers report and log', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const worker = await startWorker(system, build, { SHUTDOWN_GRACE_MS: '100' });
    const cancelled = await system.submit(5, 'sleep', { ms: 60_000, steps: 1_000 });
    const late = await system.submit(5, 'conformance.block', { ms: 10_000 }, { timeoutMs: 100, maxAttempts: 1 });
    const handedBack = await system.submit(5, 'sleep', { ms: 60_000, steps: 1_000 });
    const deaf = await system.submit(2, 'conformance.block', { ms: 60_000 });
    const logs = await system.submit(10, 'conformance.log', { lines: 300 });
    await inStatus(system, [...cancelled, ...handedBack, ...deaf], 'PROCESSING');
    for (const id of cancelled) await system.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id });
    const ended = async () => {
      const { CANCELLED = 0, FAILED = 0, COMPLETED = 0 } = await system.countByStatus();
      return CANCELLED + FAILED + COMPLETED === 20;
    };
    await waitFor(ended, { what: 'the cancelled, the late and the logging tasks have ended' });
    for (const id of late) expect(await taskOf(system, id)).toMatchObject({ error: { code: 'TIMEOUT' } });
    expect(await system.app.database.taskLog.count({ where: { taskId: { in: logs } } })).toBe(3_000);
    const ending = worker.kill();
    await worker.waitForOutput(/"msg":"worker stops"/);
    // A pause interrupts its waits for signals, but is none that ends it.
    for (const signal of ['SIGSTOP', 'SIGCONT'] as const) process.kill(worker.pid, signal);
    const exit = await ending;
    expect(worker.output()).not.toMatch(FAULT);
    expect(exit).toEqual({ code: 0, signal: null });
    await inStatus(system, [...handedBack, ...deaf], 'QUEUED');
  });
});

describe.skipIf(missing)('a worker in C++ with limits of queues', () => {
  beforeAll(() => buildCpp(), 300_000);

  test('shares one slot between queues with and without limits', async () => {
    await using system = await startSystem();
    await system.start('manager');
    await startWorker(system, 'release', { WORKER_CONCURRENCY: '1', WORKER_QUEUES: 'a:1,b,c:2' });
    for (let i = 0; i < 20; i++) {
      for (const queue of ['a', 'b', 'c']) await system.submit(1, 'echo', i, { queue });
    }
    expect(await system.settle(20_000)).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 60 });
  });
});
