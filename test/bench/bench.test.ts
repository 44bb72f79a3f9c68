import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const RUN = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));

test('every scenario of the benchmark runs, and reports its figures', { timeout: 180_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [RUN, '--rounds', '1', '--scale', '0.005']);
  const figures = [...stdout.matchAll(/│ (.+?) +│ +([\d,.]+) │ +[\d,.]+ │ +[\d,.]+ │ (tasks\/s|ms)/g)];
  expect(figures.map(([, name]) => name)).toEqual([
    'submit one by one, 100 callers',
    'submit in bulk of 1,000, 4 callers',
    'process a full queue, 1 worker',
    'process a full queue, 2 workers',
    'submit in bulk and process at once, 1 worker',
    'submit → COMPLETED at a subscriber, p50',
    'submit → COMPLETED at a subscriber, p99',
  ]);
  for (const [, , value] of figures) expect(Number(value?.replaceAll(',', ''))).toBeGreaterThan(0);
});
