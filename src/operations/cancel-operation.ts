import { actorOf, type Caller } from '../accounts/audit.ts';
import { insertAuditEntry } from '../accounts/audit-store.ts';
import { hasScope, reachOf, requireAdminsLogin } from '../accounts/principal.ts';
import type { Broker } from '../broker/lanes.ts';
import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import { publishOperationChange } from '../realtime/publish.ts';
import { findOperation } from './find-operations.ts';
import { endOperation, type Operation } from './operation-store.ts';

export interface CancelOperationServices {
  database: Database;
  broker: Broker;
}

/**
 * Ends an operation; what it has done stays done. Waits for the step that is under way, some hundred tasks.
 *
 * @throws TaskFlowError NOT_FOUND; CONFLICT, which names its state, when it has ended; FORBIDDEN for a purge, unless the
 *   caller might have asked for it
 */
export const cancelOperation = async (
  { database, broker }: CancelOperationServices,
  caller: Caller,
  id: string,
): Promise<Operation> => {
  const reach = reachOf(caller.principal);
  const found = await findOperation(database, reach, id);
  if (!found) throw new TaskFlowError('NOT_FOUND', `There is no operation ${id}.`);
  if (found.kind === 'PURGE') requirePurger(caller);
  const isEnded = await database.$transaction(async (transaction) => {
    if (!(await endOperation(transaction, found.id, 'CANCELLED', null))) return false;
    await insertAuditEntry(transaction, { ...actorOf(caller), action: 'OPERATION_CANCELLED', target: found.id });
    return true;
  });
  const now = await findOperation(database, reach, id);
  if (!now) throw new TaskFlowError('NOT_FOUND', `There is no operation ${id}.`);
  if (!isEnded) throw new TaskFlowError('CONFLICT', `The operation has ended already: it is ${now.status}.`);
  await Promise.all(broker.lanes.map((lane) => publishOperationChange(broker, lane, id).catch(() => undefined)));
  return now;
};

const requirePurger = ({ principal }: Caller): void => {
  requireAdminsLogin(principal, 'QUEUES_ADMIN');
  if (!hasScope(principal, 'QUEUES_ADMIN')) {
    throw new TaskFlowError('FORBIDDEN', 'The API key does not allow this. It takes the scope QUEUES_ADMIN.');
  }
};
