import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import type { Finding } from '../../src/commands/doctor/finding.ts';
import { compareClock } from '../../src/commands/doctor/finding.ts';
import { closeShell, openShell, type Shell } from '../support/commands.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let shell: Shell;

beforeAll(async () => {
  system = await startSystem();
  await system.start('manager');
  shell = openShell({ TASKFLOW_URL: system.url, TASKFLOW_TOKEN: system.token });
}, 120_000);
afterAll(async () => {
  closeShell(shell);
  await system[Symbol.asyncDispose]();
});

const examine = async (env: Record<string, string> = {}): Promise<{ code: number | null; findings: Finding[] }> => {
  const { code, stdout } = await shell.run(['doctor', '--json'], { env });
  return {
    code,
    findings: stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Finding),
  };
};
const faults = (findings: readonly Finding[]): Finding[] => findings.filter(({ verdict }) => verdict === 'fault');

describe('the doctor', () => {
  test('finds a well installation well, with and without its settings', async () => {
    const outside = await examine();
    expect(faults(outside.findings)).toEqual([]);
    expect(outside.code).toBe(0);
    expect(outside.findings).toContainEqual(expect.objectContaining({ name: 'workers', verdict: 'warning' }));
    expect(outside.findings).toContainEqual({ name: 'version of the api', verdict: 'ok', detail: packageJson.version });
    const inside = await examine({ ...system.app.env });
    expect(faults(inside.findings)).toEqual([]);
    const names = inside.findings.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['settings', 'PostgreSQL', 'clock of PostgreSQL', 'migrations', 'Redis, high lane']),
    );
  });

  test('says which worker is of another release', async () => {
    const types = '[{ type: "echo" }]';
    const input = `{ workerId: "w-old", language: "typescript", version: "0.0.9", host: "h", queues: ["*"], concurrency: 1, running: 0, types: ${types} }`;
    await system.graphql(`mutation { workerHeartbeat(input: ${input}) }`);
    const { findings } = await examine();
    expect(findings).toContainEqual(
      expect.objectContaining({ name: 'worker w-old', verdict: 'warning', advice: 'Bring it up to date.' }),
    );
    await system.graphql('mutation { workerGoodbye(workerId: "w-old") }');
  });

  test('says what to do about tasks without workers, and paused queues', async () => {
    await system.submit(3, 'echo', {});
    await system.graphql('mutation { pauseQueue(name: "default") { name } }');
    const { code, findings } = await examine();
    expect(code).toBe(9);
    expect(faults(findings)).toEqual([
      expect.objectContaining({ name: 'workers', detail: expect.stringContaining('3 tasks') }),
    ]);
    expect(findings).toContainEqual(
      expect.objectContaining({ name: 'queue default', advice: '`taskflow resume default` ends it.' }),
    );
    const { stdout } = await shell.run(['doctor']);
    expect(stdout).toMatch(/FAULT +workers .*\n +→ Start one with `taskflow worker`\./);
  });

  test('says what cannot be reached, and what is set wrongly', async () => {
    const { code, findings } = await examine({
      ...system.app.env,
      TASKFLOW_URL: 'http://127.0.0.1:9',
      DATABASE_URL: 'postgresql://nobody:x@127.0.0.1:9/none',
      REDIS_PORT_HIGH: '9',
    });
    expect(code).toBe(9);
    expect(faults(findings).map(({ name }) => name)).toEqual(['api', 'PostgreSQL', 'Redis, high lane']);
    const wrong = await examine({ DATABASE_URL: 'postgresql://x', SHARDS_PER_LANE: 'many' });
    expect(faults(wrong.findings).slice(-1)).toEqual([
      expect.objectContaining({ name: 'settings', detail: expect.stringContaining('SHARDS_PER_LANE') }),
    ]);
  });

  test('compares clocks no finer than they can be read', () => {
    const at = Date.parse('2030-01-01T00:00:00Z');
    expect(compareClock('x', at, at + 900, at + 950, 1_000).verdict).toBe('ok');
    expect(compareClock('x', at, at - 5_000, at - 4_900).detail).toBe('is 4.9 s ahead of this one');
    expect(compareClock('x', at, at + 5_000, at + 5_100, 1_000).detail).toBe('is 4.0 s behind this one');
  });
});
