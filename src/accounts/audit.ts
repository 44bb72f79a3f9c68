import type { DatabaseSession } from '../database/client.ts';
import type { AdminAction } from './audit-actions.ts';
import { insertAuditEntry } from './audit-store.ts';
import type { Principal } from './principal.ts';

/** Where something comes from. */
export interface Client {
  address?: string | undefined;
  /** What it says that it is: the `User-Agent` header of its request. */
  userAgent?: string | undefined;
}

/** Who does something, and where from. */
export interface Caller extends Client {
  principal: Principal;
}

/** The part of an audit entry that says who it was. */
export const actorOf = ({ principal: { userId, apiKeyId }, address }: Caller) => ({
  actorId: userId,
  address,
  ...(apiKeyId === undefined ? {} : { detail: { apiKeyId } }),
});

/**
 * Notes what an admin did to somebody else's task or schedule; what callers do to their own is not noted.
 *
 * @param session of the change's transaction, where it has one
 */
export const auditAdminAction = async (
  session: DatabaseSession,
  caller: Caller,
  action: AdminAction,
  target: { id: string; ownerId: string },
): Promise<void> => {
  if (target.ownerId === caller.principal.userId) return;
  const detail = { ownerId: target.ownerId };
  await insertAuditEntry(session, { ...actorOf(caller), action, target: target.id, detail });
};
