import type { Logger } from 'pino';
import type { AccountServices } from '../accounts/account-services.ts';
import type { Caller, Client } from '../accounts/audit.ts';
import type { Authenticator } from '../accounts/authenticate.ts';
import type { OpenSessions } from '../accounts/open-sessions.ts';
import { hasScope, type Principal, watchersForbidden } from '../accounts/principal.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import type { ApiKeyWatcher, AuditWatcher, SessionWatcher, UserListWatcher } from '../accounts/watch-accounts.ts';
import type { AnnounceServices } from '../claims/announce-worker.ts';
import type { ReportServices } from '../claims/report-claims.ts';
import type { WorkWatcher } from '../claims/watch-work.ts';
import type { ApiKeyScope } from '../database/generated/client/client.ts';
import type { ListReader } from '../database/replica.ts';
import { TaskFlowError } from '../errors.ts';
import type { FlowLoaders } from '../flows/flow-loaders.ts';
import type { FlowListWatcher } from '../flows/watch-flows.ts';
import type { OperationWatcher } from '../operations/watch-operations.ts';
import type { QueueAges, QueueServices } from '../queues/find-queues.ts';
import type { QueueListWatcher, QueueWatcher } from '../queues/watch-queues.ts';
import type { StatisticsWatcher } from '../queues/watch-statistics.ts';
import type { WorkerWatcher } from '../queues/watch-workers.ts';
import type { ScheduleRuns } from '../schedules/find-runs.ts';
import type { ScheduleListWatcher, ScheduleWatcher } from '../schedules/watch-schedules.ts';
import type { CancelServices } from '../tasks/cancel-task.ts';
import type { RetryServices } from '../tasks/retry-tasks.ts';
import type { SubmitServices } from '../tasks/submit-tasks.ts';
import type { TaskLoaders } from '../tasks/task-page-store.ts';
import type { TaskTypes } from '../tasks/task-types.ts';
import type { WaitReasons } from '../tasks/wait-reason.ts';
import type { ChangeServices } from '../tasks/watch-changes.ts';

/** What resolvers hand on to use cases. The server makes one for the process. */
export interface Services
  extends AccountServices,
    SubmitServices,
    ChangeServices,
    CancelServices,
    RetryServices,
    QueueServices,
    ReportServices,
    AnnounceServices {
  /** For lists that queries ask for: never for what a mutation or a subscription answers, which is not to be old. */
  lists: ListReader;
  authenticator: Authenticator;
  sessions: OpenSessions;
  rateLimits: RateLimits;
  taskTypes: TaskTypes;
  loaders: TaskLoaders;
  scheduleRuns: ScheduleRuns;
  waitReasons: WaitReasons;
  flowLoaders: FlowLoaders;
  queueWatcher: QueueWatcher;
  queueListWatcher: QueueListWatcher;
  queueAges: QueueAges;
  operationWatcher: OperationWatcher;
  workerWatcher: WorkerWatcher;
  userListWatcher: UserListWatcher;
  sessionWatcher: SessionWatcher;
  apiKeyWatcher: ApiKeyWatcher;
  auditWatcher: AuditWatcher;
  flowListWatcher: FlowListWatcher;
  scheduleWatcher: ScheduleWatcher;
  scheduleListWatcher: ScheduleListWatcher;
  statisticsWatcher: StatisticsWatcher;
  workWatcher: WorkWatcher;
  logger: Logger;
}

/** What the resolvers of one request get. */
export interface Context extends Client {
  services: Services;
  /** Undefined for a request without credentials. */
  principal: Principal | undefined;
  /** The client's, as the server sees it; undefined where an operation did not come over the network. */
  address?: string | undefined;
}

/**
 * @throws TaskFlowError UNAUTHENTICATED for a request without credentials; FORBIDDEN for a watch token, so that what does
 * not think of them (see `requireReader`) is closed to them
 */
export const requirePrincipal = (context: Context): Principal => {
  const principal = requireReader(context);
  if (principal.watched) throw watchersForbidden();
  return principal;
};

/**
 * As `requirePrincipal`, for fields that are open to watch tokens. What they read must stay within `readingReachOf`.
 *
 * @throws TaskFlowError UNAUTHENTICATED for a request without credentials
 */
export const requireReader = ({ principal }: Context): Principal => {
  if (!principal) throw notAuthenticated();
  return principal;
};

/**
 * Who does something, for the audit log.
 *
 * @throws as `requirePrincipal`
 */
export const callerOf = (context: Context): Caller => ({
  principal: requirePrincipal(context),
  address: context.address,
  userAgent: context.userAgent,
});

export const isAllowed = ({ principal }: Context, scope: ApiKeyScope): boolean =>
  principal !== undefined && hasScope(principal, scope);

export const notAuthenticated = (): TaskFlowError =>
  new TaskFlowError(
    'UNAUTHENTICATED',
    'This needs credentials: an "Authorization: Bearer <token>" or "X-API-Key: tf_…" header.',
  );
