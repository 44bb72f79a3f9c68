import { LRUCache } from 'lru-cache';
import { Counter } from 'prom-client';
import type { BoundedLabel } from './labels.ts';
import type { Registry } from './registry.ts';

/** A live worker, and how its attempts have ended since its start. */
export interface WorkerEnds {
  id: string;
  language: string;
  attempts: Readonly<Record<string, number>>;
}

/** What live workers say; undefined where another manager counts it, 'unknown' where they could not be asked. */
export type WorkerReports = readonly WorkerEnds[] | undefined | 'unknown';

/** Workers that are remembered, live ones and gone ones: one that was only cut off comes back under its id. */
const MAX_KNOWN = 10_000;

/**
 * Counts what the heartbeats of workers add, in whatever language.
 *
 * What workers say when this manager begins to count them was counted by another one before.
 *
 * @param read asked at each scrape
 */
export const countEnds = (registry: Registry, languages: BoundedLabel, read: () => Promise<WorkerReports>): void => {
  const known = new LRUCache<string, WorkerEnds['attempts']>({ max: MAX_KNOWN });
  let isCounting = false;
  new Counter({
    name: 'taskflow_workers_attempts_total',
    help: 'Attempts by how they ended for their workers, in any language, by their heartbeats; from the manager that leads the first shard.',
    labelNames: ['language', 'outcome'],
    registers: [registry],
    async collect() {
      const workers = await read();
      // What is said next counts from what was said last.
      if (workers === 'unknown') return;
      for (const { id, language, attempts } of workers ?? []) {
        const before = known.get(id) ?? (isCounting ? {} : attempts);
        for (const [outcome, n] of Object.entries(attempts)) {
          this.inc({ language: languages.of(language), outcome }, Math.max(0, n - (before[outcome] ?? 0)));
        }
        known.set(id, attempts);
      }
      isCounting = workers !== undefined;
    },
  });
};
