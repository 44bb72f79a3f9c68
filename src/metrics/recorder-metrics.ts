import { Counter, Histogram } from 'prom-client';
import { batchRecorded, type CommittedTransition, leasesExpired } from '../diagnostics.ts';
import { createdAtMs } from '../ids.ts';
import type { BoundedLabel } from './labels.ts';
import { COUNT_BUCKETS, LONG_BUCKETS, type Registry, SHORT_BUCKETS } from './registry.ts';
import type { CountTransitions } from './transition-metrics.ts';

/** Measures what the recorders of this process write, and from it how long tasks wait and take, in whatever worker. */
export const measureRecorders = (registry: Registry, queues: BoundedLabel, count: CountTransitions): void => {
  const registers = [registry];
  const sizes = new Histogram({
    name: 'taskflow_recorder_batch_size',
    help: 'Transitions that were recorded in one statement.',
    buckets: COUNT_BUCKETS,
    registers,
  });
  const durations = new Histogram({
    name: 'taskflow_recorder_batch_duration_seconds',
    help: 'How long such a statement took, with what it waited for PostgreSQL.',
    buckets: SHORT_BUCKETS,
    registers,
  });
  const refused = new Counter({
    name: 'taskflow_recorder_transitions_refused_total',
    help: 'Transitions that contradicted PostgreSQL and were dropped: Redis had lost its last second.',
    registers,
  });
  const expired = new Counter({
    name: 'taskflow_leases_expired_total',
    help: 'Attempts that were taken back from workers that had fallen silent.',
    registers,
  });
  const measureLatencies = latencies(registry, queues);
  batchRecorded.subscribe((batch) => {
    sizes.observe(batch.transitions.length);
    durations.observe(batch.durationMs / 1_000);
    if (batch.refused > 0) refused.inc(batch.refused);
    count(batch.transitions);
    measureLatencies(batch.transitions);
  });
  leasesExpired.subscribe(({ attempts }) => expired.inc(attempts));
};

/** A task that is claimed in its second transition was queued in its first, which was when it was made. */
const FIRST_CLAIM_SEQ = 2;

const latencies = (registry: Registry, queues: BoundedLabel) => {
  const labelNames = ['queue'] as const;
  const claim = new Histogram({
    name: 'taskflow_task_claim_latency_seconds',
    help: 'From the submission of a task until a worker claimed it; without tasks that were scheduled, waited for others, or were tried again.',
    labelNames,
    buckets: LONG_BUCKETS,
    registers: [registry],
  });
  const completion = new Histogram({
    name: 'taskflow_task_completion_latency_seconds',
    help: 'From the submission of a task until it was COMPLETED, with all its attempts and whatever it waited for.',
    labelNames,
    buckets: LONG_BUCKETS,
    registers: [registry],
  });
  return (transitions: readonly CommittedTransition[]): void => {
    for (const { status, seq, taskId, queue, atMs } of transitions) {
      const histogram =
        status === 'PROCESSING' && seq === FIRST_CLAIM_SEQ ? claim : status === 'COMPLETED' ? completion : undefined;
      // The clocks of the api and of Redis may differ.
      histogram?.observe({ queue: queues.of(queue) }, Math.max(0, atMs - createdAtMs(taskId)) / 1_000);
    }
  };
};
