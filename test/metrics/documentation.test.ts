import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { measureJanitor } from '../../src/metrics/janitor-metrics.ts';
import { createRegistry, type Registry } from '../../src/metrics/registry.ts';
import { showLanes } from '../../src/metrics/server-metrics.ts';
import { measureWorker } from '../../src/metrics/worker-metrics.ts';
import { measureApi } from '../../src/server/measure-api.ts';
import { measureManager } from '../../workers/manager/measure-manager.ts';
import { setupApi } from '../support/api.ts';
import { silent } from '../support/factory.ts';

/** As prom-client keeps it. */
interface Described {
  name: string;
  help: string;
  type: string;
  labelNames: readonly string[];
}

const describeAll = (registry: Registry): Described[] =>
  (registry.getMetricsAsArray() as unknown as Described[]).filter(({ name }) => name.startsWith('taskflow_'));

test('docs/observability.md has every metric with its type, labels and processes, and no other', async () => {
  await using app = await setupApi();
  const registries = ['api', 'manager', 'worker', 'janitor'].map((name) => ({ name, registry: createRegistry(name) }));
  const [api, manager, worker, janitor] = registries.map(({ registry }) => registry) as [
    Registry,
    Registry,
    Registry,
    Registry,
  ];
  measureApi(api, app.services).showSockets(() => 0);
  measureManager(manager, { broker: app.broker, database: app.database, leads: () => [], logger: silent });
  measureWorker(worker, () => ({ concurrency: 1, running: 0 }));
  showLanes(worker, app.broker.lanes);
  measureJanitor(janitor);

  const known = new Map<string, { metric: Described; processes: string[] }>();
  for (const { name, registry } of registries) {
    for (const metric of describeAll(registry)) {
      const entry = known.get(metric.name) ?? { metric, processes: [] };
      entry.processes.push(name);
      known.set(metric.name, entry);
    }
  }
  const expected = [...known.values()].map(({ metric, processes }) => {
    const labels = metric.labelNames.map((label) => `\`${label}\``).join(', ') || '–';
    const where = processes.length === registries.length ? 'all' : processes.join(', ');
    return `| \`${metric.name}\` | ${metric.type} | ${labels} | ${where} | ${metric.help} |`;
  });
  const docs = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8');
  const rows = [...docs.matchAll(/^\| `taskflow_.+$/gm)].map(([row]) => row);
  expect(rows).toEqual(expected);
});
