import { Counter, Histogram } from 'prom-client';
import { enqueueFailed, tasksWritten } from '../diagnostics.ts';
import { COUNT_BUCKETS, type Registry, SHORT_BUCKETS } from './registry.ts';

/** Measures how this process writes new tasks. */
export const measureSubmissions = (registry: Registry): void => {
  const registers = [registry];
  const sizes = new Histogram({
    name: 'taskflow_submission_batch_size',
    help: 'Tasks that were written in one statement, of all callers that share it.',
    buckets: COUNT_BUCKETS,
    registers,
  });
  const durations = new Histogram({
    name: 'taskflow_submission_duration_seconds',
    help: 'How long such a statement took.',
    buckets: SHORT_BUCKETS,
    registers,
  });
  const failures = new Counter({
    name: 'taskflow_enqueue_failures_total',
    help: 'Committed tasks that Redis did not take at once; the reconciler brings them.',
    registers,
  });
  tasksWritten.subscribe(({ tasks, durationMs }) => {
    sizes.observe(tasks);
    durations.observe(durationMs / 1_000);
  });
  enqueueFailed.subscribe(({ tasks }) => failures.inc(tasks));
};
