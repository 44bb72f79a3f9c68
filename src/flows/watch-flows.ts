import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { PageWatcher } from '../tasks/page-watcher.ts';
import { findFlows } from './find-flows.ts';
import type { FlowCounts, FlowLoaders } from './flow-loaders.ts';
import type { Flow } from './flow-store.ts';

/** A flow, with how its tasks stood when it was read. */
export interface CountedFlow extends Flow {
  counts: FlowCounts;
}

/**
 * Hands pages of flows to this node's subscribers. Signals would have to say to which flow a task belongs, which submitting and
 * recording would pay for, watched or not.
 */
export class FlowListWatcher extends PageWatcher<CountedFlow> {
  constructor(database: Database, loaders: Pick<FlowLoaders, 'countsOfFlow'>, logger: Logger) {
    const count = async (flow: Flow) => ({ ...flow, counts: await loaders.countsOfFlow.load(flow.id) });
    super(
      'the list of flows',
      async (ownerId, page) => {
        const { nodes, ...place } = await findFlows(database, ownerId, page);
        return { ...place, nodes: await Promise.all(nodes.map(count)) };
      },
      logger,
    );
  }
}
