import type { Logger } from 'pino';
import type { Broker } from '../broker/lanes.ts';
import { everySecond, StateWatcher } from '../realtime/state-watcher.ts';
import { findWorkers, type LiveWorker } from './find-workers.ts';

/** Hands the list of live workers to this node's subscribers. A worker that died says nothing by itself. */
export class WorkerWatcher extends StateWatcher<LiveWorker[]> {
  constructor(broker: Broker, logger: Logger) {
    super({ read: () => findWorkers(broker, logger), ...everySecond('the list of workers', logger) });
  }
}
