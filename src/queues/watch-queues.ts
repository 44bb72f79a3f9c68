import type { Logger } from 'pino';
import type { RealtimeRouter } from '../realtime/router.ts';
import { everySecond, StateWatcher } from '../realtime/state-watcher.ts';
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

/** Hands the list of queues to this node's subscribers. Queues come and go, and tasks grow old, without a signal. */
export class QueueListWatcher extends StateWatcher<Queue[]> {
  constructor(services: QueueServices, logger: Logger) {
    super({ read: () => findQueuesWithAges(services), ...everySecond('the list of queues', logger) });
  }
}
