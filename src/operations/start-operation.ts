import { actorOf, type Caller } from '../accounts/audit.ts';
import type { AuditAction } from '../accounts/audit-actions.ts';
import { insertAuditEntry } from '../accounts/audit-store.ts';
import { reachOf, requireAdminsLogin } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import { newId } from '../ids.ts';
import { checkQueueName } from '../queues/queue-name.ts';
import { cancelReason } from '../tasks/cancel-task.ts';
import { checkWhere, type TaskWhere } from '../tasks/task-where.ts';
import { isEmptyFilter, toFilter } from './operation-filter.ts';
import { countUnfinished, insertOperation, type NewOperation, type Operation } from './operation-store.ts';

/** Operations of one user that have not ended, at most. */
export const MAX_UNFINISHED = 100;

const ACTIONS = {
  RETRY: 'TASKS_RETRIED',
  CANCEL: 'TASKS_CANCELLED',
  DELETE: 'TASKS_DELETED',
  PURGE: 'QUEUE_PURGED',
} as const satisfies Record<Operation['kind'], AuditAction>;

export interface OperationRequest {
  kind: 'RETRY' | 'CANCEL' | 'DELETE';
  where: TaskWhere;
  /** Whose tasks, which the caller must have the right to. Default: the caller's, everybody's for an admin. */
  ownerId?: string | undefined;
  /** An empty filter means all tasks. Default: it is refused. */
  all?: boolean;
  isDryRun: boolean;
  /** Why tasks are cancelled. */
  reason?: string | null | undefined;
}

/**
 * Begins to retry, cancel or delete all tasks that match: the caller's, or everybody's for an admin. Managers do it; only
 * tasks that were submitted before now are touched.
 *
 * @returns the operation, QUEUED
 * @throws TaskFlowError BAD_USER_INPUT for a faulty filter or an empty one; CONFLICT when the caller has 100 operations that
 *   have not ended
 */
export const startOperation = async (
  database: Database,
  caller: Caller,
  { kind, where, ownerId, all = false, isDryRun, reason }: OperationRequest,
): Promise<Operation> => {
  const filter = toFilter(checkWhere(where));
  if (isEmptyFilter(filter) && !all) {
    throw badInput('where', 'where is empty. To mean all tasks, say `all: true` as well.');
  }
  const id = newId();
  return start(database, caller, {
    id,
    ownerId: ownerId ?? reachOf(caller.principal) ?? null,
    actorId: caller.principal.userId,
    kind,
    filter,
    queue: null,
    reason: kind === 'CANCEL' ? { ...JSON.parse(cancelReason(reason)), operationId: id } : null,
    isDryRun,
  });
};

/**
 * Begins to end all waiting tasks of a queue, whosever they are, as CANCELLED with the reason PURGED. Running ones go on.
 *
 * @throws TaskFlowError FORBIDDEN for the login of somebody who is no admin; BAD_USER_INPUT; CONFLICT as `startOperation`
 */
export const purgeQueue = async (
  database: Database,
  caller: Caller,
  name: string,
  message: string | null | undefined,
): Promise<Operation> => {
  requireAdminsLogin(caller.principal, 'QUEUES_ADMIN');
  const id = newId();
  return start(database, caller, {
    id,
    ownerId: null,
    actorId: caller.principal.userId,
    kind: 'PURGE',
    filter: {},
    queue: checkQueueName(name),
    reason: { ...JSON.parse(cancelReason(message)), reason: 'PURGED', operationId: id },
    isDryRun: false,
  });
};

const start = (database: Database, caller: Caller, operation: NewOperation): Promise<Operation> =>
  database.$transaction(async (transaction) => {
    if ((await countUnfinished(transaction, operation.actorId)) >= MAX_UNFINISHED) {
      throw new TaskFlowError('CONFLICT', `You have ${MAX_UNFINISHED} operations that have not ended.`, {
        limit: MAX_UNFINISHED,
      });
    }
    const { id, kind, filter, queue, isDryRun, ownerId } = operation;
    const actor = actorOf(caller);
    const detail = { ...actor.detail, ownerId, where: filter, isDryRun, ...(queue !== null && { operationId: id }) };
    await insertAuditEntry(transaction, { ...actor, action: ACTIONS[kind], target: queue ?? id, detail });
    return insertOperation(transaction, operation);
  });
