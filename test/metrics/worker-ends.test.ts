import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { BoundedLabel } from '../../src/metrics/labels.ts';
import { countEnds, type WorkerReports } from '../../src/metrics/worker-ends.ts';

test('attempts are counted over a reading that failed, and over the time of another manager are not', async () => {
  const registry = new Registry();
  let reports: WorkerReports;
  countEnds(registry, new BoundedLabel(20), async () => reports);
  const countAfter = async (next: WorkerReports): Promise<number | undefined> => {
    reports = next;
    const text = await registry.metrics();
    const line = /^taskflow_workers_attempts_total\{.*\} (\d+)$/m.exec(text);
    return line ? Number(line[1]) : undefined;
  };
  const worker = (id: string, completed: number) => ({ id, language: 'python', attempts: { completed } });

  expect(await countAfter([worker('a', 100)])).toBe(0);
  expect(await countAfter([worker('a', 103)])).toBe(3);
  expect(await countAfter('unknown')).toBe(3);
  expect(await countAfter([worker('a', 105), worker('b', 7)])).toBe(12);
  expect(await countAfter(undefined)).toBe(12);
  expect(await countAfter([worker('a', 105), worker('b', 7), worker('c', 50)])).toBe(12);
});
