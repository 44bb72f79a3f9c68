import { Counter, Gauge, Histogram } from 'prom-client';
import { janitorRan } from '../diagnostics.ts';
import type { Registry } from './registry.ts';

/** Measures a janitor that runs again and again. */
export const measureJanitor = (registry: Registry): void => {
  const registers = [registry];
  const runs = new Counter({
    name: 'taskflow_janitor_runs_total',
    help: 'Runs that are over: "done", "failed" (a step of it, or all), or "skipped" for another janitor that was at work.',
    labelNames: ['outcome'],
    registers,
  });
  const durations = new Histogram({
    name: 'taskflow_janitor_run_duration_seconds',
    help: 'How long a run took.',
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 7_200],
    registers,
  });
  const lastSuccess = new Gauge({
    name: 'taskflow_janitor_last_success_timestamp_seconds',
    help: 'When a run was done last, in seconds since 1970; 0 before the first.',
    registers,
  });
  janitorRan.subscribe(({ outcome, durationMs }) => {
    runs.inc({ outcome });
    durations.observe(durationMs / 1_000);
    if (outcome === 'done') lastSuccess.setToCurrentTime();
  });
};
