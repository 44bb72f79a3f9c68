import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import { findUserByIdentifier, type User, writeIsAdmin } from './account-store.ts';

/**
 * Makes a user an admin, or an admin an ordinary user, from the command line. Running api processes notice within a second.
 * Where it is so already, nothing changes.
 *
 * @param identifier an email or a username
 * @throws TaskFlowError NOT_FOUND
 */
export const setAdmin = async (database: Database, identifier: string, isAdmin: boolean): Promise<User> => {
  const user = await findUserByIdentifier(database, identifier.trim());
  const entry = { actorId: null, action: isAdmin ? 'USER_PROMOTED' : 'USER_DEMOTED', target: user?.id } as const;
  const detail = { by: 'command line' };
  const changed = user && (await writeIsAdmin(database, user, isAdmin, { ...entry, detail }));
  if (!changed) throw new TaskFlowError('NOT_FOUND', `There is no user ${identifier}.`);
  return changed;
};
