import { ApiKeyWatcher, AuditWatcher, SessionWatcher, UserListWatcher } from '../accounts/watch-accounts.ts';
import type { Broker } from '../broker/lanes.ts';
import { WorkWatcher } from '../claims/watch-work.ts';
import type { Database } from '../database/client.ts';
import type { FlowLoaders } from '../flows/flow-loaders.ts';
import { FlowListWatcher } from '../flows/watch-flows.ts';
import type { Logger } from '../logger.ts';
import { OperationWatcher } from '../operations/watch-operations.ts';
import { QueueListWatcher, QueueWatcher } from '../queues/watch-queues.ts';
import { StatisticsWatcher } from '../queues/watch-statistics.ts';
import { WorkerWatcher } from '../queues/watch-workers.ts';
import type { RealtimeRouter } from '../realtime/router.ts';
import { ScheduleListWatcher, ScheduleWatcher } from '../schedules/watch-schedules.ts';

export interface WatchedParts {
  database: Database;
  broker: Broker;
  router: RealtimeRouter;
  flowLoaders: FlowLoaders;
  logger: Logger;
}

/** Whatever hands states to this node's subscribers. Each has a `close`, which ends its subscriptions with an error. */
export const openWatchers = ({ database, broker, router, flowLoaders, logger }: WatchedParts) => ({
  queueWatcher: new QueueWatcher({ database, broker }, router, logger),
  queueListWatcher: new QueueListWatcher({ database, broker }, logger),
  operationWatcher: new OperationWatcher(database, router, logger),
  workerWatcher: new WorkerWatcher(broker, logger),
  userListWatcher: new UserListWatcher(database, logger),
  sessionWatcher: new SessionWatcher(database, logger),
  apiKeyWatcher: new ApiKeyWatcher(database, logger),
  auditWatcher: new AuditWatcher(database, logger),
  flowListWatcher: new FlowListWatcher(database, flowLoaders, logger),
  scheduleWatcher: new ScheduleWatcher(database, logger),
  scheduleListWatcher: new ScheduleListWatcher(database, logger),
  statisticsWatcher: new StatisticsWatcher({ database, broker }, router, logger),
  workWatcher: new WorkWatcher(broker, logger),
});
