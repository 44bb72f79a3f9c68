import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { request } from '../../src/local/graphql-client.ts';
import { spawnProcess, type TestProcess } from '../support/setup.ts';

const TASKS =
  'query ($status: [TaskStatus!]) { tasks(where: { status: $status }, first: 500) { edges { node { id type status } } } }';

interface Tasks {
  tasks: { edges: { node: { id: string; type: string; status: string } }[] };
}

const apiKeyIn = (output: string): string => /API key +(tf_\S+)/.exec(output)?.[1] ?? '';

const tasksOf = async (url: string, apiKey: string, status: string[]): Promise<string[]> => {
  const { tasks } = await request<Tasks>(url, TASKS, { status }, { 'x-api-key': apiKey });
  return tasks.edges.map(({ node }) => node.id);
};

describe('taskflow up', () => {
  let homes: string[];
  let ports: number[];
  const start = (stack: number, args: string[] = []): TestProcess =>
    spawnProcess(['up', ...args], { TASKFLOW_HOME: homes[stack] as string, PORT: String(ports[stack]) });

  beforeAll(async () => {
    homes = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'taskflow-up-')));
    ports = [await freePort(), await freePort()];
  });
  afterAll(() => {
    for (const home of homes) rmSync(home, { recursive: true, force: true });
  });

  test('profiles the sample files live, stays up, stops on Ctrl-C, and finds its tasks again', {
    timeout: 180_000,
  }, async () => {
    const url = `http://localhost:${ports[0]}`;
    const first = start(0);
    await first.waitForOutput(/^Running\./m, 120_000);
    const output = first.output();
    expect(output).toContain(`${url}/graphql`);
    expect(output).toMatch(/ stocks\.csv +Queued → Processing → Completed\n/);
    // The table of results: 560 rows of 3 columns are what the file has.
    expect(output).toMatch(/│ stocks\.csv +│ COMPLETED │ +12245 │ +560 │ 1 string, 1 date, 1 number +│/);
    const apiKey = apiKeyIn(output);
    const profiled = await tasksOf(url, apiKey, ['COMPLETED']);
    expect(profiled.length).toBe(23);

    const curl = /^ +(curl .+)$/m.exec(output)?.[1] as string;
    const { stdout } = await promisify(execFile)('sh', ['-c', curl]);
    expect(JSON.parse(stdout)).toMatchObject({ data: { createTask: { status: 'QUEUED' } } });

    const stoppedAt = performance.now();
    expect(await first.kill('SIGINT')).toEqual({ code: 0, signal: null });
    expect(performance.now() - stoppedAt).toBeLessThan(15_000);

    const second = start(0, ['--no-sample']);
    await second.waitForOutput(/^Running\./m, 120_000);
    expect(second.output()).not.toContain('Profiling');
    expect(apiKeyIn(second.output())).toBe(apiKey);
    expect(await tasksOf(url, apiKey, ['COMPLETED'])).toEqual(expect.arrayContaining(profiled));
    expect(await second.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  test('runs beside another one with another port and home', { timeout: 180_000 }, async () => {
    const stacks = [start(0, ['--no-sample']), start(1, ['--no-sample'])];
    await Promise.all(stacks.map((stack) => stack.waitForOutput(/^Running\./m, 120_000)));
    const keys = stacks.map((stack) => apiKeyIn(stack.output()));
    expect(keys[0]).not.toBe(keys[1]);
    expect(await tasksOf(`http://localhost:${ports[1]}`, keys[1] as string, ['COMPLETED'])).toEqual([]);
    for (const stack of stacks) expect(await stack.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  test('says in one line that its port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const stack = spawnProcess(['up'], { TASKFLOW_HOME: homes[1] as string, PORT: String(port) });
    expect(await stack.exit).toEqual({ code: 1, signal: null });
    expect(stack.output().trim().split('\n')).toEqual([expect.stringContaining(`Port ${port} is in use`)]);
    server.close();
  });
});
