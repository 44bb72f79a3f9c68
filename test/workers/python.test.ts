import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { metricsUrl, scrape, WITH_METRICS } from '../support/metrics.ts';
import { findPython, PYTHON_WORKER, spawnPython } from '../support/python.ts';
import { type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const HANDLERS = fileURLToPath(new URL('python/', import.meta.url));
/** Continuous integration has it; see .ci/run. */
const hasMypy = spawnSync('mypy', ['--version']).status === 0;

/** Runs the handlers of python/handlers.py, and waits until the api knows their types. */
const startWorker = async (system: System, env: Record<string, string> = {}): Promise<TestProcess> => {
  const worker = spawnPython(['-m', 'taskflow_worker', 'handlers'], { ...system.app.env, ...env }, HANDLERS);
  await worker.waitForOutput(/"msg":"started"/);
  await waitFor(async () => (await system.graphql<{ workers: unknown[] }>('{ workers { id } }')).workers.length > 0, {
    what: 'the worker is listed',
  });
  return worker;
};

const taskOf = (system: System, id: string | undefined) =>
  system.app.database.task.findUniqueOrThrow({ where: { id: id as string } });

describe('the package', () => {
  test('passes its own tests', { timeout: 120_000 }, () => {
    const { status, stderr } = spawnSync(
      findPython(),
      ['-B', '-W', 'error', '-m', 'unittest', 'discover', '--start-directory', 'tests', '--top-level-directory', '.'],
      { cwd: PYTHON_WORKER, env: { ...process.env, PYTHONPATH: 'src' }, encoding: 'utf8' },
    );
    expect(stderr).toMatch(/Ran \d{2,} tests/);
    // Those of spans need opentelemetry-api, which Debian does not have.
    expect(stderr).toMatch(/^OK(?: \(skipped=2\))?$/m);
    expect(status).toBe(0);
  });

  test.skipIf(!hasMypy)('is typed', { timeout: 120_000 }, () => {
    const { status, stdout } = spawnSync('mypy', ['--cache-dir', devNull], { cwd: PYTHON_WORKER, encoding: 'utf8' });
    expect(stdout).toMatch(/^Success: no issues found/);
    expect(status).toBe(0);
  });

  test.each([
    ['a setting is wrong', ['handlers'], { LEASE_MS: 'soon' }, /^LEASE_MS: must be a number$/],
    ['there is no such module', ['no_such_module'], {}, /^no_such_module: No module named/],
    ['what it was given is no worker', ['handlers:double'], {}, /^handlers:double: "double" is no Worker$/],
  ])('ends with a line that says so when %s', async (_name, args, env, complaint) => {
    const child = spawnPython(['-m', 'taskflow_worker', ...args], env, HANDLERS);
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.output().trim()).toMatch(complaint);
  });
});

describe('a worker in Python', () => {
  test('runs plain and async handlers, and announces what they take', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    await startWorker(system, { WORKER_QUEUES: 'default,other:3', WORKER_CONCURRENCY: '7' });
    const [plain] = await system.submit(1, 'double.plain', { n: 4 });
    const [other] = await system.submit(1, 'double.async', { n: 2.5 }, { queue: 'other', priority: 'HIGH' });
    expect(await system.settle()).toEqual([]);
    expect(await taskOf(system, plain)).toMatchObject({ status: 'COMPLETED', result: 8, attempt: 1 });
    expect(await taskOf(system, other)).toMatchObject({ status: 'COMPLETED', result: 5, attempt: 1 });
    await expect(system.submit(1, 'double.plain', { n: 'four' })).rejects.toThrow(/payload\.n/);
    const { workers } = await system.graphql<{ workers: unknown[] }>('{ workers { language queues concurrency } }');
    expect(workers).toEqual([{ language: 'python', queues: ['default', 'other'], concurrency: 7 }]);
  });

  test('says whether it is ready, and counts as the other workers do', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const worker = await startWorker(system, { ...WITH_METRICS, WORKER_CONCURRENCY: '7' });
    const url = await metricsUrl(worker);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({
      isReady: true,
      parts: { redisHigh: 'ok', redisLow: 'ok' },
    });
    await system.submit(3, 'double.plain', { n: 4 });
    await system.submit(1, 'exit', null, { maxAttempts: 1 });
    expect(await system.settle()).toEqual([]);
    const metrics = await scrape(worker);
    const ended = 'taskflow_worker_attempts_total';
    expect(metrics.sum(ended, { type: 'double.plain', outcome: 'completed' })).toBe(3);
    expect(metrics.sum(ended, { type: 'exit', outcome: 'failed' })).toBe(1);
    expect(metrics.sum('taskflow_worker_claim_batch_size_sum')).toBe(4);
    expect(metrics.sum('taskflow_worker_slots')).toBe(7);
    const docs = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8');
    const documented = new Map(
      [...docs.matchAll(/^\| `(taskflow_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => [name, type]),
    );
    const own = [...metrics.types].filter(([name]) => name.startsWith('taskflow_') && !name.endsWith('_created'));
    expect(own.length).toBeGreaterThan(7);
    for (const [name, type] of own) expect({ name, type }).toEqual({ name, type: documented.get(name) });
  });

  test('runs no more of a queue at once than its limit', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    await startWorker(system, { WORKER_QUEUES: 'default,narrow:2' });
    const ids = await system.submit(10, 'peak', null, { queue: 'narrow' });
    const [beside] = await system.submit(1, 'double.async', { n: 1 });
    expect(await system.settle()).toEqual([]);
    const tasks = await Promise.all(ids.map((id) => taskOf(system, id)));
    expect(Math.max(...tasks.map(({ result }) => result as number))).toBe(2);
    expect((await taskOf(system, beside)).status).toBe('COMPLETED');
  });

  test('reports what handlers raise, and results that are no JSON', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    await startWorker(system);
    const [notANumber] = await system.submit(1, 'not-a-number', null);
    const [exit] = await system.submit(1, 'exit', null, { maxAttempts: 1 });
    const [patient] = await system.submit(1, 'wait-twice', null, { maxAttempts: 3 });
    expect(await system.settle()).toEqual([]);
    expect(await taskOf(system, notANumber)).toMatchObject({
      status: 'FAILED',
      attempt: 1,
      error: { code: 'RESULT_NOT_SERIALIZABLE' },
    });
    expect(await taskOf(system, exit)).toMatchObject({
      status: 'FAILED',
      error: { message: 'enough', code: 'enough', stack: expect.stringContaining('handlers.py') },
    });
    expect(await taskOf(system, patient)).toMatchObject({ status: 'COMPLETED', attempt: 3, result: 3 });
  });

  test('serves on beside handlers that hang, and ends in spite of them', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const worker = await startWorker(system, { WORKER_CONCURRENCY: '1', SHUTDOWN_GRACE_MS: '0' });
    const once = { maxAttempts: 1, timeoutMs: 50 };
    const hanging = [...(await system.submit(1, 'stuck', null, once)), ...(await system.submit(1, 'deaf', null, once))];
    const [after] = await system.submit(1, 'double.plain', { n: 1 });
    expect(await system.settle()).toEqual([]);
    for (const id of hanging) {
      expect(await taskOf(system, id)).toMatchObject({
        status: 'FAILED',
        error: { code: 'TIMEOUT', message: 'the attempt did not end within 50 ms' },
      });
    }
    expect(await taskOf(system, after)).toMatchObject({ status: 'COMPLETED', result: 2 });
    expect(await worker.kill()).toEqual({ code: 0, signal: null });
  });

  test.each(['tidy.plain', 'tidy.async'])('lets %s tidy up when it is cancelled', { timeout: 90_000 }, async (type) => {
    await using system = await startSystem();
    await system.start('manager');
    await startWorker(system);
    const [id] = await system.submit(1, type, null);
    const linesOf = () =>
      system.app.database.taskLog.findMany({ where: { taskId: id as string }, orderBy: { number: 'asc' } });
    await waitFor(async () => (await linesOf()).length === 1, { what: 'the handler has begun' });
    await system.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id });
    expect(await system.settle()).toEqual([]);
    expect((await taskOf(system, id)).status).toBe('CANCELLED');
    expect((await waitFor(async () => (await linesOf())[1])).record).toEqual({
      level: 'warn',
      message: 'tidied up',
      fields: { reason: 'CANCELLED' },
    });
  });
});
