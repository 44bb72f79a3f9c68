import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';
import { quantile } from './quantile.ts';
import type { Figure } from './scenarios/scenario.ts';

/** One figure of one system over all rounds. */
export interface Summary {
  name: string;
  system: string;
  unit: Figure['unit'];
  /** A value a round. */
  values: number[];
  /** TaskFlow's value over this one in the same round, the median of all rounds; below 1, TaskFlow has less. */
  ratio: number | undefined;
  growth?: Figure['growth'];
}

const OURS = 'TaskFlow';

/** @param rounds the figures of each */
export const summarise = (rounds: readonly (readonly Figure[])[]): Summary[] => {
  const summaries = new Map<string, Summary>();
  for (const { name, system, unit, growth } of rounds[0] ?? []) {
    const values = rounds.map((figures) => figureOf(figures, name, system));
    const ratios = rounds.map((figures) => figureOf(figures, name, OURS) / figureOf(figures, name, system));
    const ratio = system === OURS || ratios.some(Number.isNaN) ? undefined : quantile(ratios, 0.5);
    summaries.set(`${name}|${system}`, { name, system, unit, values, ratio, ...(growth && { growth }) });
  }
  const ourFirst = (a: Summary, b: Summary) => Number(b.system === OURS) - Number(a.system === OURS);
  return [...Map.groupBy(summaries.values(), ({ name }) => name).values()].flatMap((group) => group.sort(ourFirst));
};

const figureOf = (figures: readonly Figure[], name: string, system: string): number =>
  figures.find((figure) => figure.name === name && figure.system === system)?.value ?? Number.NaN;

const format = (value: number, unit: Figure['unit']): string =>
  unit === 'ms' ? value.toFixed(1) : Math.round(value).toLocaleString('en');

/** "2 × AMD EPYC, 24 GiB, Node v24.21.0" */
export const describeMachine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;

const HEAD = ['', 'system', 'min', 'median', 'max', '', 'TaskFlow ÷ it'];
const RULE = ['---', '---', '---:', '---:', '---:', '---', '---:'];
/** Markdown has no lines above, between and below rows. */
const NO_LINES = Object.fromEntries(
  ['top', 'mid', 'bottom'].flatMap((line) =>
    [line, `${line}-mid`, `${line}-left`, `${line}-right`].map((name) => [name, '']),
  ),
);

/** Minimum, median and maximum of each figure, and TaskFlow's ratio to it: a table in Markdown. */
export const toTable = (summaries: readonly Summary[]): string => {
  const table = new Table({
    colAligns: ['left', 'left', 'right', 'right', 'right', 'left', 'right'],
    style: { head: [], border: [] },
    chars: { ...NO_LINES, 'left-mid': '', 'right-mid': '', 'mid-mid': '', left: '|', middle: '|', right: '|' },
  });
  table.push(HEAD, RULE);
  let last = '';
  for (const { name, system, unit, values, ratio } of summaries) {
    const three = [0, 0.5, 1].map((q) => format(quantile(values, q), unit));
    table.push([name === last ? '' : name, system, ...three, unit, ratio === undefined ? '' : `${ratio.toFixed(2)} ×`]);
    last = name;
  }
  return table.toString();
};
