import type { AccountServices } from './account-services.ts';
import { deleteUser } from './account-store.ts';
import { actorOf, type Caller } from './audit.ts';
import { confirmPassword } from './check-password.ts';

/**
 * Deletes the caller's account: its email, username and password, its API keys, and all tokens.
 *
 * The tasks stay until retention drops them, and those that run or wait go on to their end: their owner's feed is kept,
 * without which no transition could be recorded. Only admins see them; their owner is an id that says nothing any more.
 *
 * @throws TaskFlowError BAD_USER_INPUT when the password is wrong
 */
export const deleteAccount = async (services: AccountServices, caller: Caller, password: string): Promise<void> => {
  const { id: userId } = await confirmPassword(services, caller, password, 'password');
  await deleteUser(services.database, userId, { ...actorOf(caller), action: 'ACCOUNT_DELETED', target: userId });
  await services.revocations.announce({ what: 'account', userId });
};
