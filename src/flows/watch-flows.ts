import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import type { Mailbox } from '../realtime/mailbox.ts';
import { everySecond, StateWatcher } from '../realtime/state-watcher.ts';
import type { Page, PageRequest } from '../tasks/page.ts';
import { findFlows } from './find-flows.ts';
import type { FlowCounts, FlowLoaders } from './flow-loaders.ts';
import type { Flow } from './flow-store.ts';

/** A flow, with how its tasks stood when it was read. */
export interface CountedFlow extends Flow {
  counts: FlowCounts;
}

/** Which page of flows is watched; as JSON, it is the key. */
interface WatchedFlows {
  /** Undefined: everybody's. */
  ownerId: string | undefined;
  page: PageRequest;
}

/**
 * Hands pages of flows to this node's subscribers; those who watch the same page share its reading. Signals would have to say to
 * which flow a task belongs, which submitting and recording would pay for, watched or not.
 */
export class FlowListWatcher extends StateWatcher<Page<CountedFlow>> {
  constructor(database: Database, loaders: Pick<FlowLoaders, 'countsOfFlow'>, logger: Logger) {
    super({
      read: async (key) => {
        const { ownerId, page } = JSON.parse(key) as WatchedFlows;
        const { nodes, ...place } = await findFlows(database, ownerId, page);
        const count = async (flow: Flow) => ({ ...flow, counts: await loaders.countsOfFlow.load(flow.id) });
        return { ...place, nodes: await Promise.all(nodes.map(count)) };
      },
      ...everySecond('the list of flows', logger),
    });
  }

  /**
   * @param ownerId whose; undefined for an admin: everybody's
   * @throws as `findFlows`, to begin
   */
  watchFlows(
    ownerId: string | undefined,
    { first, after, last, before }: PageRequest,
  ): Promise<Mailbox<Page<CountedFlow>>> {
    return this.watch(JSON.stringify({ ownerId, page: { first, after, last, before } } satisfies WatchedFlows));
  }
}
