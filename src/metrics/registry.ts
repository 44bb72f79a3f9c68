import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import packageJson from '../../package.json' with { type: 'json' };

export type { Registry };

/** Buckets of what takes a process a moment, in seconds. */
export const SHORT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Buckets of what takes a task its time, in seconds. */
export const LONG_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200];
/** Buckets of how many go together. */
export const COUNT_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/**
 * Makes the metrics of a process: first those of Node (memory, CPU, event loop, garbage collection) and which version runs.
 *
 * @param process its kind: "api", "manager", …
 */
export const createRegistry = (process: string): Registry => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'taskflow_build_info',
    help: 'Always 1: which version runs as which kind of process.',
    labelNames: ['version', 'process'],
    registers: [registry],
  }).set({ version: packageJson.version, process }, 1);
  return registry;
};
