import { TaskFlowError } from '../errors.ts';
import type { AccountServices } from './account-services.ts';
import { replacePassword } from './account-store.ts';
import { actorOf, type Caller } from './audit.ts';
import { confirmPassword } from './check-password.ts';
import { openSession, type Session } from './open-session.ts';

/**
 * Changes the caller's password. All tokens from before end, watch tokens among them, on every node within a second; API keys
 * stay, and what was made with them.
 *
 * @param next as it comes out of `PasswordSchema`
 * @returns a new login
 * @throws TaskFlowError BAD_USER_INPUT when the current password is wrong; CONFLICT when it is being changed elsewhere
 */
export const changePassword = async (
  services: AccountServices,
  caller: Caller,
  current: string,
  next: string,
): Promise<Session> => {
  const user = await confirmPassword(services, caller, current, 'current');
  const passwordHash = await services.passwords.hash(next);
  const entry = { ...actorOf(caller), action: 'PASSWORD_CHANGED' } as const;
  const changed = await replacePassword(services.database, user, passwordHash, entry);
  if (!changed) throw new TaskFlowError('CONFLICT', 'The password was changed elsewhere at the same time.');
  await services.revocations.announce({ what: 'tokens', userId: user.id, before: changed.tokenVersion });
  const { address, userAgent } = caller;
  return openSession(services, changed, { address, userAgent });
};
