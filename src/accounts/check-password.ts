import { badInput, TaskFlowError } from '../errors.ts';
import type { AccountServices } from './account-services.ts';
import { findUserById, type User } from './account-store.ts';
import type { Caller } from './audit.ts';
import { PASSWORD_LENGTH } from './sign-up.ts';

/**
 * Is this the password of the account? Takes the same time when there is no account, and says no. A wrong one is noted in
 * the audit log. All passwords are compared here.
 *
 * @param address the client's
 */
export const isPasswordOf = async (
  { passwords, failedLogins }: AccountServices,
  user: User | null,
  password: string,
  address: string | undefined,
): Promise<boolean> => {
  // Longer passwords than any account has are not hashed: that would be work for free.
  const isPlausible = password.length <= PASSWORD_LENGTH.max;
  const isRight = await passwords.matches(user?.passwordHash, isPlausible ? password : '');
  if (!isRight) await failedLogins.note(user?.id ?? null, address);
  return isRight;
};

/**
 * Asks a user who is logged in for the password once more, before something that a stolen token must not do.
 *
 * @param field where it stands in the request, for the error
 * @throws TaskFlowError BAD_USER_INPUT when it is wrong; UNAUTHENTICATED when the account is gone
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
