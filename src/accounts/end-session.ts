import { TaskFlowError } from '../errors.ts';
import type { AccountServices } from './account-services.ts';
import type { Caller } from './audit.ts';
import { deleteSession, type LoginSession } from './session-store.ts';

/**
 * Ends one of the caller's logins: its tokens stop working at once on every node, and in any case within a second. Watch tokens
 * that were made with it go on.
 *
 * @param id which one. Default: the one that asks
 * @returns the login as it was
 * @throws TaskFlowError NOT_FOUND where the user has no such login
 */
export const endSession = async (
  { database, revocations }: AccountServices,
  { principal }: Caller,
  id: string | undefined = principal.sessionId,
): Promise<LoginSession> => {
  const ended = id === undefined ? undefined : await deleteSession(database, principal.userId, id);
  if (!ended) throw new TaskFlowError('NOT_FOUND', 'You have no such login, or it has ended already.');
  await revocations.announce({ what: 'session', sessionId: ended.id });
  return ended;
};
