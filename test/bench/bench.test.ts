import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { summarise, toTable } from '../../bench/report.ts';
import type { Figure } from '../../bench/scenarios/scenario.ts';

const RUN = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));

const PEERS = ['BullMQ', 'graphile-worker', 'pg-boss'];
const FIGURES: Record<string, string[]> = {
  'process a full queue, 1 worker': ['BullMQ, keeping jobs', ...PEERS],
  'process a full queue, 2 workers': ['BullMQ, keeping jobs', ...PEERS],
  'submit in bulk of 1,000, 1 caller': PEERS,
  'submit in bulk of 1,000, 4 callers': PEERS,
  'submit one by one, 100 callers': PEERS,
  'createTask through GraphQL, 100 connections': [
    'Yoga and BullMQ, no credentials, no limits',
    'our front and BullMQ, with both',
  ],
  'submit in bulk and process at once, 1 worker': ['BullMQ', 'graphile-worker'],
  'idle: submit → end seen, p50': PEERS,
  'idle: submit → end seen, p99': PEERS,
  'deliver to 5,000 subscribers': ['graphql-ws and graphql-redis-subscriptions'],
  'heap of a subscriber': ['graphql-ws and graphql-redis-subscriptions'],
  ...Object.fromEntries(
    ['memory of one (RSS)', 'published → seen, p50', 'published → seen, p99'].map((name) => [
      `10,000 sockets on one api: ${name}`,
      [],
    ]),
  ),
  'memory of a waiting task in Redis, beside its payload': ['BullMQ'],
  ...Object.fromEntries(
    ['50', '500', '5,000'].flatMap((n) =>
      ['claim and release 50, p50', 'memory in Redis'].map((what) => [`${what} of ${n} waiting`, []]),
    ),
  ),
  ...Object.fromEntries(
    ['0', '5,000', '50,000'].flatMap((n) =>
      [
        'submit in bulk',
        'memory in Redis',
        'claim and release 50, p50',
        'task, p50',
        'tasks, first page, p50',
        'tasks of a rare type, first page, p50',
      ].map((what) => [`${what}, with ${n} finished`, []]),
    ),
  ),
};

test('every scenario measures every system, and writes table, raw figures and plots', {
  timeout: 300_000,
}, async () => {
  const out = mkdtempSync(join(tmpdir(), 'taskflow-figures-'));
  onTestFinished(() => rmSync(out, { recursive: true }));
  const { stdout } = await promisify(execFile)(process.execPath, [
    RUN,
    '--rounds',
    '1',
    '--scale',
    '0.005',
    '--out',
    out,
  ]);
  const { rounds } = JSON.parse(readFileSync(join(out, 'figures.json'), 'utf8')) as { rounds: Figure[][] };
  const found = Map.groupBy(rounds.flat(), ({ name }) => name);
  const systems = [...found].map(([name, figures]) => [name, figures.map(({ system }) => system).sort()]);
  const expected = Object.entries(FIGURES).map(([name, peers]) => [name, ['TaskFlow', ...peers].sort()]);
  expect(Object.fromEntries(systems)).toEqual(Object.fromEntries(expected));
  for (const { value, unit } of rounds.flat()) if (unit !== 'bytes') expect(value).toBeGreaterThan(0);
  for (const name of found.keys()) expect(stdout).toContain(name);
  const plots = new Set([...found].map(([name, figures]) => figures[0]?.growth?.plot ?? name));
  expect(readdirSync(join(out, 'plots'))).toHaveLength(plots.size);
});

test('the table gives medians, and the median of the ratios of each round', () => {
  const round = (ours: number, theirs: number): Figure[] => [
    { name: 'work', system: 'peer', value: theirs, unit: 'tasks/s' },
    { name: 'work', system: 'TaskFlow', value: ours, unit: 'tasks/s' },
  ];
  const summaries = summarise([round(100, 50), round(300, 100), round(200, 200)]);
  expect(summaries).toEqual([
    { name: 'work', system: 'TaskFlow', unit: 'tasks/s', values: [100, 300, 200], ratio: undefined },
    { name: 'work', system: 'peer', unit: 'tasks/s', values: [50, 100, 200], ratio: 2 },
  ]);
  expect(toTable(summaries)).toMatch(/peer +\| +50 \| +100 \| +200 \| tasks\/s \| +2\.00 ×/);
});
