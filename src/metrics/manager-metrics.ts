import { Gauge } from 'prom-client';
import type { Logger } from '../logger.ts';
import { BoundedLabel } from './labels.ts';
import type { Registry } from './registry.ts';
import { countEnds, type WorkerReports } from './worker-ends.ts';

/** How full a queue is. */
export interface QueueFigures {
  /** Unfinished tasks by their status. */
  counts: Map<string, number>;
  /** How long the oldest waiting task has been waiting; undefined where none waits. */
  oldestAgeMs: number | undefined;
}

/** How far a recorder is behind. */
export interface ShardLag {
  shard: string;
  /** Entries of the event stream that are not recorded yet. */
  entries: number;
  /** How old the oldest of them is. */
  lagMs: number;
}

/** The live workers of one language, by what their heartbeats say. */
export interface WorkerGroup {
  language: string;
  workers: number;
  slots: number;
  used: number;
}

/** Of the shards that a manager leads. */
export interface ManagerFigures {
  queues: Map<string, QueueFigures>;
  shards: readonly ShardLag[];
  workers: readonly WorkerGroup[];
  ends: WorkerReports;
}

/** All gauges of a scrape share one reading, and so do scrapes that come together, in ms. */
const FRESH_MS = 1_000;

/** Shows how full the shards are that this manager leads: of all managers together, each queue's numbers are sums. */
export const showShards = (
  registry: Registry,
  queues: BoundedLabel,
  read: () => Promise<ManagerFigures>,
  logger: Logger,
): void => {
  const figures = shareReadings(read, logger);
  showQueues(registry, queues, figures);
  showLags(registry, figures);
  showWorkers(registry, figures);
};

type Readings = () => Promise<ManagerFigures>;

const NOTHING: ManagerFigures = { queues: new Map(), shards: [], workers: [], ends: 'unknown' };

/** A reading that fails leaves the gauges empty: alerts see that they are absent. */
const shareReadings = (read: () => Promise<ManagerFigures>, logger: Logger): Readings => {
  let reading: Promise<ManagerFigures> | undefined;
  let readAt = 0;
  return () => {
    if (!reading || performance.now() - readAt > FRESH_MS) {
      readAt = performance.now();
      reading = read().catch((error: unknown) => {
        logger.warn({ err: error }, 'could not read how full the queues are');
        return NOTHING;
      });
    }
    return reading;
  };
};

const showQueues = (registry: Registry, queues: BoundedLabel, figures: Readings): void => {
  new Gauge({
    name: 'taskflow_queue_tasks',
    help: 'Unfinished tasks by their status, of the shards that this manager leads: the sum over all managers is the depth of the queue.',
    labelNames: ['queue', 'status'],
    registers: [registry],
    async collect() {
      const { queues: found } = await figures();
      this.reset();
      for (const [queue, { counts }] of found) {
        for (const [status, n] of counts) this.inc({ queue: queues.of(queue), status }, n);
      }
    },
  });
  new Gauge({
    name: 'taskflow_queue_oldest_age_seconds',
    help: 'How long the oldest QUEUED task of the queue has been waiting since it was queued; the greatest over all managers counts.',
    labelNames: ['queue'],
    registers: [registry],
    async collect() {
      const { queues: found } = await figures();
      this.reset();
      const ages = new Map<string, number>();
      for (const [queue, { oldestAgeMs }] of found) {
        if (oldestAgeMs === undefined) continue;
        const label = queues.of(queue);
        ages.set(label, Math.max(ages.get(label) ?? 0, oldestAgeMs));
      }
      for (const [queue, ageMs] of ages) this.set({ queue }, ageMs / 1_000);
    },
  });
};

const showLags = (registry: Registry, figures: Readings): void => {
  new Gauge({
    name: 'taskflow_recorder_lag_seconds',
    help: 'How old the oldest transition is that is not recorded yet, of a shard that this manager leads; 0 where all are.',
    labelNames: ['shard'],
    registers: [registry],
    async collect() {
      const { shards } = await figures();
      this.reset();
      for (const { shard, lagMs } of shards) this.set({ shard }, lagMs / 1_000);
    },
  });
  new Gauge({
    name: 'taskflow_recorder_backlog_entries',
    help: 'Entries of the event stream that are not recorded yet; one holds what one call changed.',
    labelNames: ['shard'],
    registers: [registry],
    async collect() {
      const { shards } = await figures();
      this.reset();
      for (const { shard, entries } of shards) this.set({ shard }, entries);
    },
  });
};

/** Workers write their language themselves. */
const MAX_LANGUAGES = 20;

const showWorkers = (registry: Registry, figures: Readings): void => {
  const languages = new BoundedLabel(MAX_LANGUAGES);
  const gauge = (name: string, help: string, read: (group: WorkerGroup) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['language'],
      registers: [registry],
      async collect() {
        const { workers } = await figures();
        this.reset();
        for (const group of workers) this.inc({ language: languages.of(group.language) }, read(group));
      },
    });
  };
  gauge(
    'taskflow_workers',
    'Live workers in any language, by their heartbeats; from the manager that leads the first shard.',
    ({ workers }) => workers,
  );
  countEnds(registry, languages, async () => (await figures()).ends);
  gauge('taskflow_workers_slots', 'Tasks that they may hold at once, together.', ({ slots }) => slots);
  gauge('taskflow_workers_slots_used', 'Tasks that they held at their last heartbeats.', ({ used }) => used);
};

/** How many shards this manager leads. @param leads asked at each scrape */
export const showLeadership = (registry: Registry, leads: () => readonly string[]): void => {
  new Gauge({
    name: 'taskflow_shard_leader',
    help: '1 for each shard that this manager leads; over all managers, each shard has one.',
    labelNames: ['shard'],
    registers: [registry],
    collect() {
      this.reset();
      for (const shard of leads()) this.set({ shard }, 1);
    },
  });
};
