import { TaskFlowError } from '../errors.ts';
import { findUserByIdentifier } from './account-store.ts';
import { isPassword } from './passwords.ts';
import { type AccountServices, openSession, PASSWORD_LENGTH, type Session } from './sign-up.ts';

export interface LoginInput {
  /** An email or a username. */
  identifier: string;
  password: string;
}

const MAX_IDENTIFIER_LENGTH = 254;

/**
 * Gives a token for an account's password. Takes the same time, and says the same, whether the account exists or not.
 *
 * @throws TaskFlowError UNAUTHENTICATED
 */
export const login = async (services: AccountServices, { identifier, password }: LoginInput): Promise<Session> => {
  const isPlausible =
    identifier.length <= MAX_IDENTIFIER_LENGTH && !identifier.includes('\0') && password.length <= PASSWORD_LENGTH.max;
  const user = isPlausible ? await findUserByIdentifier(services.database, identifier.trim()) : null;
  // Longer passwords than any account has are not hashed: that would be work for free.
  const isRight = await isPassword(user?.passwordHash, isPlausible ? password : '');
  if (!user || !isRight) throw new TaskFlowError('UNAUTHENTICATED', 'The email, username or password is wrong.');
  return openSession(services, user);
};
