import { poolsOf } from '../../src/database/client.ts';
import { boundedQueues } from '../../src/metrics/labels.ts';
import { showLeadership, showShards } from '../../src/metrics/manager-metrics.ts';
import { measureRecorders } from '../../src/metrics/recorder-metrics.ts';
import type { Registry } from '../../src/metrics/registry.ts';
import { showLanes, showPools } from '../../src/metrics/server-metrics.ts';
import { measureSubmissions } from '../../src/metrics/submission-metrics.ts';
import { countTransitions } from '../../src/metrics/transition-metrics.ts';
import { type FigureSources, readFigures } from './queue-figures.ts';

/** Measures what the manager of this process does. */
export const measureManager = (registry: Registry, sources: FigureSources): void => {
  const { broker, database, leads, logger } = sources;
  const queues = boundedQueues();
  measureRecorders(registry, queues, countTransitions(registry, queues));
  // Its runners write tasks, too: those of schedules, say.
  measureSubmissions(registry);
  showShards(registry, queues, () => readFigures(sources), logger);
  showLeadership(registry, leads);
  showPools(registry, Object.values(poolsOf(database)));
  showLanes(registry, broker.lanes);
};
