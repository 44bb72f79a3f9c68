import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';

export interface Figure {
  name: string;
  value: number;
  unit: 'tasks/s' | 'ms';
}

/** Makes a full-size count the size of this run. */
export type Scale = (count: number) => number;

/** @param values not empty @param q 0 to 1 */
export const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
};

const format = (value: number, unit: Figure['unit']): string =>
  unit === 'ms' ? value.toFixed(1) : Math.round(value).toLocaleString('en');

/** The machine, then minimum, median and maximum of each figure over the rounds. */
export const report = (rounds: readonly (readonly Figure[])[]): string => {
  const table = new Table({
    head: ['', 'min', 'median', 'max', ''],
    colAligns: ['left', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const [i, { name, unit }] of (rounds[0] ?? []).entries()) {
    const values = rounds.map((round) => round[i]?.value ?? Number.NaN);
    table.push([name, ...[0, 0.5, 1].map((q) => format(quantile(values, q), unit)), unit]);
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  return `${machine}; ${rounds.length} round${rounds.length === 1 ? '' : 's'}\n${table}`;
};
