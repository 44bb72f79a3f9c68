import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { scrape, WITH_METRICS } from '../support/metrics.ts';
import { spawnProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const read = (path: string): string => readFileSync(`${DEPLOY}${path}`, 'utf8');

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
if (!hasPromtool && process.env.CI) throw new Error('promtool is missing; see .ci/run');

const promtool = (...args: string[]): string =>
  execFileSync('promtool', args, { cwd: `${DEPLOY}prometheus`, encoding: 'utf8' });

interface Panel {
  title: string;
  type: string;
  targets?: { expr: string }[];
  gridPos: { x: number; y: number; w: number; h: number };
}
const dashboard = JSON.parse(read('grafana/taskflow.json')) as { panels: Panel[]; templating: unknown };

interface Rules {
  groups: {
    rules: { alert: string; expr: string; labels: { severity: string }; annotations: { summary: string } }[];
  }[];
}
const rules = (parse(read('prometheus/alerts.yml')) as Rules).groups.flatMap((group) => group.rules);

const metricsIn = (text: string): string[] =>
  [...text.matchAll(/\b(?:taskflow|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name);

/** What prometheus-adapter is told to call its metric. */
const NAMES_OF_OTHERS = new Set(['taskflow_unfinished_tasks']);

const sources: [string, () => string][] = [
  ['the dashboard', () => JSON.stringify(dashboard)],
  ['the alert rules', () => rules.map(({ expr }) => expr).join('\n')],
  ...readdirSync(`${DEPLOY}keda`).map((file): [string, () => string] => [`keda/${file}`, () => read(`keda/${file}`)]),
];

describe('what is watched', () => {
  let system: System;
  /** Names of series, as they can be asked for. */
  const series = new Set<string>();

  beforeAll(async () => {
    system = await startSystem({ settings: WITH_METRICS });
    const processes = [
      system.api,
      await system.start('manager'),
      await system.start('worker'),
      spawnProcess(['janitor', '--every', '1h'], system.app.env),
    ];
    await system.submit(1, 'echo', 1);
    await system.settle();
    // One that waits, so that its queue has an age.
    await system.submit(1, 'echo', 1, { queue: 'waits', runAt: null });
    await waitFor(async () => {
      for (const process of processes) {
        const metrics = await scrape(process);
        for (const name of metrics.types.keys()) series.add(name);
        for (const { name } of metrics.samples) series.add(name);
      }
      return series.has('taskflow_janitor_runs_total');
    });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  test.each(sources)('%s names only metrics that there are', (_what, text) => {
    const asked = new Set(metricsIn(text()).filter((name) => !NAMES_OF_OTHERS.has(name)));
    expect([...asked].filter((name) => !series.has(name))).toEqual([]);
  });

  test('every metric of TaskFlow is in a panel of the dashboard', () => {
    const shown = new Set(metricsIn(JSON.stringify(dashboard)).map((name) => name.replace(/_(bucket|sum|count)$/, '')));
    const own = [...series].filter((name) => name.startsWith('taskflow_') && !/_(bucket|sum|count)$/.test(name));
    expect(own.filter((name) => !shown.has(name))).toEqual([]);
  });
});

describe('the dashboard', () => {
  test('has panels that do not lie on each other, and each asks for something', () => {
    const cells = new Set<string>();
    for (const { gridPos, type, targets = [], title } of dashboard.panels) {
      if (type !== 'row') expect({ title, targets: targets.length > 0 }).toEqual({ title, targets: true });
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x},${y}`)).toBe(false);
          expect(x).toBeLessThan(24);
          cells.add(`${x},${y}`);
        }
      }
    }
  });
});

/** Every expression that Prometheus is asked for, by where it stands, with Grafana's variables filled in. */
const expressions = (): Record<string, string> => {
  const panels = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [title, expr] as const),
  );
  const triggers = readdirSync(`${DEPLOY}keda`).flatMap((file) =>
    [...read(`keda/${file}`).matchAll(/^ +(?:query|metricsQuery): (.+)$/gm)].map(
      ([, query]) => [file, query as string] as const,
    ),
  );
  const filled = [...panels, ...triggers].map(([where, expr], i) => [
    `${i} ${where}`,
    expr.replaceAll('$__rate_interval', '5m').replaceAll('$queue', '.*'),
  ]);
  return Object.fromEntries(filled) as Record<string, string>;
};

describe('the alert rules', () => {
  test('have a severity and a summary each, and names of their own', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels, annotations } of rules) {
      expect(['warning', 'critical']).toContain(labels.severity);
      expect(annotations.summary).toMatch(/\.$/);
    }
  });

  test('all stand in docs/observability.md, with what to do', () => {
    const docs = readFileSync(`${DEPLOY}../docs/observability.md`, 'utf8');
    const rows = [...docs.matchAll(/^\| `(Taskflow\w+)` \| \S.+ \|$/gm)].map(([, name]) => name as string);
    expect(rows.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  });

  test('are all tried: each fires in a test of its own, and does not in another', () => {
    const { tests } = parse(read('prometheus/alerts.test.yml')) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
    };
    const namesOf = (isFiring: boolean): string[] => {
      const cases = tests.flatMap((each) => each.alert_rule_test);
      return [
        ...new Set(cases.filter((each) => each.exp_alerts.length > 0 === isFiring).map(({ alertname }) => alertname)),
      ].sort();
    };
    const all = rules.map(({ alert }) => alert).sort();
    expect(namesOf(true)).toEqual(all);
    expect(namesOf(false)).toEqual(all);
  });

  test.skipIf(!hasPromtool)('are what Prometheus takes, and fire when they should', () => {
    expect(promtool('check', 'rules', 'alerts.yml')).toContain(`${rules.length} rules found`);
    expect(promtool('check', 'config', 'prometheus.yml')).toContain('is valid');
    expect(promtool('test', 'rules', 'alerts.test.yml')).toContain('SUCCESS');
  });
});

describe('the expressions of the dashboard and of KEDA', () => {
  test.skipIf(!hasPromtool)('are what Prometheus takes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'taskflow-promql-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const asked = expressions();
    expect(Object.keys(asked).length).toBeGreaterThan(40);
    const records = Object.values(asked).map((expr, i) => ({ record: `asked_${i}`, expr }));
    await writeFile(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'asked', rules: records }] }));
    expect(promtool('check', 'rules', join(folder, 'rules.yml'))).toContain(`${records.length} rules found`);
  });
});
