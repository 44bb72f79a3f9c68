import type { Logger } from 'pino';
import type { Broker } from '../broker/lanes.ts';
import { StateWatcher } from '../realtime/state-watcher.ts';
import { findWorkers, type LiveWorker } from './find-workers.ts';

/** How often the list is read while somebody watches, in ms: a worker that died says nothing by itself. */
const REFRESH_MS = 1_000;

/** The only key there is. */
export const ALL_WORKERS = '*';

/** Hands the list of live workers to this node's subscribers. Nobody signals changes: it is looked at every second. */
export class WorkerWatcher extends StateWatcher<LiveWorker[]> {
  constructor(broker: Broker, logger: Logger) {
    super({
      read: () => findWorkers(broker, logger),
      listen: async () => undefined,
      refreshMs: REFRESH_MS,
      what: 'the list of workers',
      logger,
    });
  }
}
