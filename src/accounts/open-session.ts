import { TaskFlowError } from '../errors.ts';
import { newId } from '../ids.ts';
import type { AccountServices } from './account-services.ts';
import type { User } from './account-store.ts';
import type { Client } from './audit.ts';
import { insertSession } from './session-store.ts';

export interface Session {
  token: string;
  expiresAt: Date;
  user: User;
}

/**
 * A new login of a user who has shown who they are.
 *
 * @throws TaskFlowError UNAUTHENTICATED when the user was locked or the password changed meanwhile
 */
export const openSession = async (
  { database, tokens }: AccountServices,
  user: User,
  client: Client,
): Promise<Session> => {
  const id = newId();
  const issued = await tokens.issue(user, id);
  const isKept = await insertSession(database, user, { id, expiresAt: issued.expiresAt, ...client });
  if (!isKept) throw sessionEnded();
  return { ...issued, user };
};

export const sessionEnded = (): TaskFlowError => new TaskFlowError('UNAUTHENTICATED', 'The login was ended.');
