import { Counter } from 'prom-client';
import { type CommittedTransition, transitionsWritten } from '../diagnostics.ts';
import type { BoundedLabel } from './labels.ts';
import type { Registry } from './registry.ts';

/** Counts many transitions: one increment for each queue and status among them. */
export type CountTransitions = (transitions: readonly CommittedTransition[]) => void;

/** Counts the transitions that this process commits, of whatever kind it is. @returns how to count further ones */
export const countTransitions = (registry: Registry, queues: BoundedLabel): CountTransitions => {
  const transitions = new Counter({
    name: 'taskflow_task_transitions_total',
    help: 'Transitions of tasks that this process has committed, by the status that they led to.',
    labelNames: ['queue', 'status'],
    registers: [registry],
  });
  const count: CountTransitions = (committed) => {
    const byQueue = new Map<string, Map<string, number>>();
    for (const { queue, status } of committed) {
      let byStatus = byQueue.get(queue);
      if (!byStatus) {
        byStatus = new Map();
        byQueue.set(queue, byStatus);
      }
      byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
    }
    for (const [queue, byStatus] of byQueue) {
      for (const [status, n] of byStatus) transitions.inc({ queue: queues.of(queue), status }, n);
    }
  };
  transitionsWritten.subscribe(count);
  return count;
};
