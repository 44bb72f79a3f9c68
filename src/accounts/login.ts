import { TaskFlowError } from '../errors.ts';
import type { AccountServices } from './account-services.ts';
import { findUserByIdentifier, replaceHash, type User } from './account-store.ts';
import type { Client } from './audit.ts';
import { insertAuditEntry } from './audit-store.ts';
import { isPasswordOf } from './check-password.ts';
import { openSession, type Session } from './open-session.ts';

export interface LoginInput {
  /** An email or a username. */
  identifier: string;
  password: string;
}

const MAX_IDENTIFIER_LENGTH = 254;

/**
 * Gives a token for an account's password. Takes the same time, and says the same, whether the account exists or not.
 *
 * @throws TaskFlowError UNAUTHENTICATED; FORBIDDEN for the right password of a user whom an admin has locked; RATE_LIMITED
 *   after too many wrong ones for the account or from the address
 */
export const login = async (
  services: AccountServices,
  { identifier, password }: LoginInput,
  client: Client,
): Promise<Session> => {
  const { address } = client;
  const isPlausible = identifier.length <= MAX_IDENTIFIER_LENGTH && !identifier.includes('\0');
  const user = isPlausible ? await findUserByIdentifier(services.database, identifier.trim()) : null;
  const isRight = await isPasswordOf(services, user ?? identifier.trim().toLowerCase(), password, address);
  if (!user || !isRight) throw new TaskFlowError('UNAUTHENTICATED', 'The email, username or password is wrong.');
  if (user.lockedAt) throw new TaskFlowError('FORBIDDEN', 'This account is locked; an admin can unlock it.');
  await renewHash(services, user, password);
  const session = await openSession(services, user, client);
  await insertAuditEntry(services.database, { actorId: user.id, action: 'LOGGED_IN', address });
  return session;
};

/** Only now is the password there to make a hash of what the settings ask for today. */
const renewHash = async ({ database, passwords }: AccountServices, user: User, password: string): Promise<void> => {
  if (!passwords.isOutdated(user.passwordHash)) return;
  await replaceHash(database, user, await passwords.hash(password));
};
