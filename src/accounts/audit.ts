import type { Database } from '../database/client.ts';
import { insertAuditEntry } from './audit-store.ts';
import type { Principal } from './principal.ts';

/** Who does something, and where from. */
export interface Caller {
  principal: Principal;
  address: string | undefined;
}

/** The part of an audit entry that says who it was. */
export const actorOf = ({ principal: { userId, apiKeyId }, address }: Caller) => ({
  actorId: userId,
  address,
  ...(apiKeyId === undefined ? {} : { detail: { apiKeyId } }),
});

/** Notes what an admin did to a task, unless it is the admin's own. */
export const auditTaskAction = async (
  database: Database,
  caller: Caller,
  action: 'TASK_CANCELLED' | 'TASK_RETRIED',
  task: { id: string; ownerId: string },
): Promise<void> => {
  if (task.ownerId === caller.principal.userId) return;
  const detail = { ownerId: task.ownerId };
  await insertAuditEntry(database, { ...actorOf(caller), action, target: task.id, detail });
};
