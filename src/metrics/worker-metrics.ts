import { Counter, Gauge, Histogram } from 'prom-client';
import { attemptEnded, attemptsReported, tasksClaimed } from '../diagnostics.ts';
import { BoundedLabel } from './labels.ts';
import { COUNT_BUCKETS, LONG_BUCKETS, type Registry, SHORT_BUCKETS } from './registry.ts';

/** What a worker says of itself. */
export interface WorkerFigures {
  /** Tasks that it may hold. */
  readonly concurrency: number;
  /** Tasks that it holds. */
  readonly running: number;
}

/** A worker knows its task types; one that is loaded anew again and again may come to have many. */
const MAX_TYPES = 200;

/** Measures the workers of this process. @param figures asked at each scrape */
export const measureWorker = (registry: Registry, figures: () => WorkerFigures): void => {
  showSlots(registry, figures);
  measureCalls(registry);
  measureAttempts(registry);
};

const showSlots = (registry: Registry, figures: () => WorkerFigures): void => {
  new Gauge({
    name: 'taskflow_worker_slots',
    help: 'Tasks that this worker may hold at once.',
    registers: [registry],
    collect() {
      this.set(figures().concurrency);
    },
  });
  new Gauge({
    name: 'taskflow_worker_slots_used',
    help: 'Tasks that it holds: running, or ended and not yet reported.',
    registers: [registry],
    collect() {
      this.set(figures().running);
    },
  });
};

const measureCalls = (registry: Registry): void => {
  const registers = [registry];
  const claimSizes = new Histogram({
    name: 'taskflow_worker_claim_batch_size',
    help: 'Tasks that one call for work brought.',
    buckets: [0, ...COUNT_BUCKETS.slice(0, 10)],
    registers,
  });
  const claimDurations = new Histogram({
    name: 'taskflow_worker_claim_duration_seconds',
    help: 'How long such a call took.',
    buckets: SHORT_BUCKETS,
    registers,
  });
  const reportDurations = new Histogram({
    name: 'taskflow_worker_report_duration_seconds',
    help: 'How long Redis took to be told how attempts ended, in one call for many.',
    buckets: SHORT_BUCKETS,
    registers,
  });
  const lost = new Counter({
    name: 'taskflow_worker_outcomes_refused_total',
    help: 'Outcomes that Redis did not take, since the lease was lost.',
    registers,
  });
  tasksClaimed.subscribe(({ claims, durationMs }) => {
    claimSizes.observe(claims.length);
    claimDurations.observe(durationMs / 1_000);
  });
  attemptsReported.subscribe((report) => {
    reportDurations.observe(report.durationMs / 1_000);
    if (report.lost > 0) lost.inc(report.lost);
  });
};

const measureAttempts = (registry: Registry): void => {
  const types = new BoundedLabel(MAX_TYPES);
  const ended = new Counter({
    name: 'taskflow_worker_attempts_total',
    help: 'Attempts that ended here: "completed", "retried", "failed", "released" (handed back) or "lost" (with their lease).',
    labelNames: ['type', 'outcome'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'taskflow_worker_attempt_duration_seconds',
    help: 'From the start of an attempt until its handler ended.',
    labelNames: ['type'],
    buckets: LONG_BUCKETS,
    registers: [registry],
  });
  attemptEnded.subscribe(({ type, outcome, durationMs }) => {
    const label = types.of(type);
    ended.inc({ type: label, outcome });
    durations.observe({ type: label }, durationMs / 1_000);
  });
};
