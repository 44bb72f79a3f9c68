import { poolsOf } from '../database/client.ts';
import { GraphQLMetrics } from '../metrics/graphql-metrics.ts';
import { boundedQueues } from '../metrics/labels.ts';
import { showRealtime } from '../metrics/realtime-metrics.ts';
import type { Registry } from '../metrics/registry.ts';
import { showLanes, showPools } from '../metrics/server-metrics.ts';
import { measureSubmissions } from '../metrics/submission-metrics.ts';
import { countTransitions } from '../metrics/transition-metrics.ts';
import type { RunningServices } from './services.ts';

export interface MeasuredApi {
  graphql: GraphQLMetrics;
  /** @param count asked at each scrape */
  showSockets(count: () => number): void;
}

/** Measures what the api of this process does. */
export const measureApi = (registry: Registry, { router, database, broker }: RunningServices): MeasuredApi => {
  countTransitions(registry, boundedQueues());
  measureSubmissions(registry);
  showPools(registry, Object.values(poolsOf(database)));
  showLanes(registry, broker.lanes);
  return {
    graphql: new GraphQLMetrics(registry),
    showSockets: (count) => showRealtime(registry, () => router.figures(), count),
  };
};
