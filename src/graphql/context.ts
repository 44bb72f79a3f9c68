import type { Logger } from 'pino';
import type { Authenticator } from '../accounts/authenticate.ts';
import { hasScope, type Principal } from '../accounts/principal.ts';
import type { AccountServices } from '../accounts/sign-up.ts';
import type { ApiKeyScope } from '../database/generated/client/client.ts';
import { TaskFlowError } from '../errors.ts';
import type { QueueServices } from '../queues/find-queues.ts';
import type { QueueWatcher } from '../queues/watch-queues.ts';
import type { CancelServices } from '../tasks/cancel-task.ts';
import type { RetryServices } from '../tasks/retry-tasks.ts';
import type { SubmitServices } from '../tasks/submit-tasks.ts';
import type { TaskLoaders } from '../tasks/task-page-store.ts';
import type { TaskTypes } from '../tasks/task-types.ts';
import type { ChangeServices } from '../tasks/watch-changes.ts';

/** What resolvers hand on to use cases. The server makes one for the process. */
export interface Services
  extends AccountServices,
    SubmitServices,
    ChangeServices,
    CancelServices,
    RetryServices,
    QueueServices {
  authenticator: Authenticator;
  taskTypes: TaskTypes;
  loaders: TaskLoaders;
  queueWatcher: QueueWatcher;
  logger: Logger;
}

/** What the resolvers of one request get. */
export interface Context {
  services: Services;
  /** Undefined for a request without credentials. */
  principal: Principal | undefined;
}

/** @throws TaskFlowError UNAUTHENTICATED for a request without credentials */
export const requirePrincipal = ({ principal }: Context): Principal => {
  if (!principal) throw notAuthenticated();
  return principal;
};

export const isAllowed = ({ principal }: Context, scope: ApiKeyScope): boolean =>
  principal !== undefined && hasScope(principal, scope);

export const notAuthenticated = (): TaskFlowError =>
  new TaskFlowError(
    'UNAUTHENTICATED',
    'This needs credentials: an "Authorization: Bearer <token>" or "X-API-Key: tf_…" header.',
  );
