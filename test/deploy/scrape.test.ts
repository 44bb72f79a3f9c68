import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePort } from '../../src/local/free-port.ts';
import { metricsUrl, WITH_METRICS } from '../support/metrics.ts';
import { spawnCommand, spawnProcess, type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';
import { watchChanges } from '../support/watched-changes.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const read = (path: string): string => readFileSync(`${DEPLOY}${path}`, 'utf8');

const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0;
if (!hasPrometheus && process.env.CI) throw new Error('prometheus is missing; see .ci/run');

/** Series that there are only after an outage or a fault. */
const AFTER_FAULTS = 'taskflow_graphql_operations_total{code=~"INTERNAL|UNAVAILABLE"}';

const dashboardExpressions = (): string[] => {
  const { panels } = JSON.parse(read('grafana/taskflow.json')) as { panels: { targets?: { expr: string }[] }[] };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
};

const kedaExpressions = (): string[] =>
  readdirSync(`${DEPLOY}keda`).flatMap((file) =>
    [...read(`keda/${file}`).matchAll(/^ +(?:query|metricsQuery): (.+)$/gm)].map(([, query]) => query as string),
  );

/** What the alert rules look at, without the thresholds that a healthy system does not pass. */
const alertSelectors = (): string[] => {
  const { groups } = parse(read('prometheus/alerts.yml')) as { groups: { rules: { expr: string }[] }[] };
  const exprs = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
  const selectors = exprs.flatMap((expr) => [
    ...expr.matchAll(/\b(?:taskflow|process|nodejs)_\w+(?:\{[^}]*\})?|\bup\{[^}]*\}/g),
  ]);
  return selectors.map(([selector]) => selector).filter((selector) => selector !== AFTER_FAULTS);
};

/** A Prometheus with our alert rules that scrapes these processes each second. @returns how many series a query gives */
const startPrometheus = async (processes: readonly TestProcess[]): Promise<(query: string) => Promise<number>> => {
  const folder = await mkdtemp(join(tmpdir(), 'taskflow-prometheus-'));
  const targets = await Promise.all(processes.map(async (each) => new URL(await metricsUrl(each)).host));
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [`${DEPLOY}prometheus/alerts.yml`],
    scrape_configs: [{ job_name: 'taskflow', static_configs: [{ targets }] }],
  };
  await writeFile(join(folder, 'prometheus.yml'), stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const prometheus = spawnCommand(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    {},
  );
  onTestFinished(async () => {
    await prometheus.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });
  await prometheus.waitForOutput(/Server is ready to receive web requests/);
  return async (query) => {
    const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(query)}`);
    const answer = (await response.json()) as { status: string; data: { result: unknown[] } };
    expect(answer, query).toMatchObject({ status: 'success' });
    return answer.data.result.length;
  };
};

/** Some of everything that is counted, over and over: rates need two scrapes that differ. */
const keepBusy = async (system: System, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    await system.submit(5, 'sleep', { ms: 50 });
    await system.submit(1, 'fail', { message: 'as it should' }, { maxAttempts: 1 });
    await system.graphql('{ tasks(first: 1) { edges { node { id } } } }');
    await system.graphql('{ task(id: "none") { id } }').catch(() => undefined);
    await waitFor(async () => ((await system.countByStatus()).QUEUED ?? 0) < 100);
  }
};

test.skipIf(!hasPrometheus)(
  'a Prometheus that scrapes a real stack has data for every expression in deploy/',
  {
    timeout: 120_000,
  },
  async () => {
    await using system = await startSystem({ settings: WITH_METRICS });
    const ask = await startPrometheus([
      system.api,
      await system.start('manager'),
      await system.start('worker'),
      spawnProcess(['janitor', '--every', '1h'], system.app.env),
    ]);
    // One that waits, so that its queue has an age.
    await system.submit(1, 'echo', 1, { queue: 'waits' });
    await using _ = watchChanges(system);
    const end = new AbortController();
    const busy = keepBusy(system, end.signal);
    busy.catch(() => undefined); // Met below.
    const asked = [...dashboardExpressions(), ...kedaExpressions(), ...alertSelectors()].map((expr) =>
      expr.replaceAll('$__rate_interval', '1m').replaceAll('$queue', '.*'),
    );
    expect(asked.length).toBeGreaterThan(70);
    let empty = asked;
    const findEmpty = async (): Promise<string[]> => {
      const counts = await Promise.all(empty.map(ask));
      empty = empty.filter((_, i) => counts[i] === 0);
      return empty;
    };
    await expect.poll(findEmpty, { timeout: 60_000, interval: 1_000 }).toEqual([]);
    end.abort();
    await busy;
  },
);
