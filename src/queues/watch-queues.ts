import type { Logger } from 'pino';
import type { RealtimeRouter } from '../realtime/router.ts';
import { StateWatcher } from '../realtime/state-watcher.ts';
import { findQueuesWithAges, type Queue, type QueueServices, readQueue } from './find-queues.ts';

/** How often counts are read without a signal, in ms: a day's counts run out. */
const REFRESH_MS = 5_000;

/** Hands the counts of queues, and what is set about them, to this node's subscribers. */
export class QueueWatcher extends StateWatcher<Queue> {
  constructor(services: QueueServices, router: RealtimeRouter, logger: Logger) {
    super({
      read: (name) => readQueue(services, name),
      listen: (onSignal) => router.onQueueChange(onSignal),
      refreshMs: REFRESH_MS,
      what: 'a queue',
      logger,
    });
  }
}

/** How often the list is read while somebody watches, in ms: queues come and go, and tasks grow old, without a signal. */
const LIST_REFRESH_MS = 1_000;

/** The only key there is. */
export const ALL_QUEUES = '*';

/** Hands the list of queues to this node's subscribers. */
export class QueueListWatcher extends StateWatcher<Queue[]> {
  constructor(services: QueueServices, logger: Logger) {
    super({
      read: () => findQueuesWithAges(services),
      listen: async () => undefined,
      refreshMs: LIST_REFRESH_MS,
      what: 'the list of queues',
      logger,
    });
  }
}
