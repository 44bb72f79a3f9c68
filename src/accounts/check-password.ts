import { badInput, TaskFlowError } from '../errors.ts';
import type { AccountServices } from './account-services.ts';
import { findUserById, type User } from './account-store.ts';
import type { Caller } from './audit.ts';
import { PASSWORD_LENGTH } from './sign-up.ts';

/**
 * Is this the password of the account? Takes the same time when there is no account, and says no. A wrong one is noted in
 * the audit log. All passwords are compared here.
 *
 * @param account where there is none, what was given for it
 * @param address the client's
 * @throws TaskFlowError RATE_LIMITED while the account or the address is locked, also for accounts that do not exist
 */
export const isPasswordOf = async (
  { passwords, failedLogins, lockout }: AccountServices,
  account: User | string,
  password: string,
  address: string | undefined,
): Promise<boolean> => {
  const user = typeof account === 'string' ? undefined : account;
  const attempt = { account: user?.id ?? String(account), address: address ?? '' };
  // Longer passwords than any account has are not hashed: that would be work for free.
  const isPlausible = password.length <= PASSWORD_LENGTH.max;
  const isRight = await lockout.attempt(attempt, () =>
    passwords.matches(user?.passwordHash, isPlausible ? password : ''),
  );
  if (!isRight) await failedLogins.note(user?.id ?? null, address);
  return isRight;
};

/**
 * Asks a user who is logged in for the password once more, before something that a stolen token must not do.
 *
 * @param field where it stands in the request, for the error
 * @throws TaskFlowError BAD_USER_INPUT when it is wrong; RATE_LIMITED after too many of these; UNAUTHENTICATED when the
 *   account is gone
 */
export const confirmPassword = async (
  services: AccountServices,
  { principal, address }: Caller,
  password: string,
  field: string,
): Promise<User> => {
  const user = await findUserById(services.database, principal.userId);
  if (!user) throw new TaskFlowError('UNAUTHENTICATED', 'This account was deleted.');
  if (!(await isPasswordOf(services, user, password, address))) throw badInput(field, 'The password is wrong.');
  return user;
};
