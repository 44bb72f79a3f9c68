import { TaskFlowError } from '../errors.ts';
import type { AccountServices } from './account-services.ts';
import { findUserById } from './account-store.ts';
import type { Principal } from './principal.ts';
import type { Session } from './sign-up.ts';

/**
 * Goes on with a login: a new token, of the version that the present one has, so that a change of the password ends both.
 *
 * @param principal of a login
 * @throws TaskFlowError UNAUTHENTICATED when the password was given too long ago, or the login was ended meanwhile
 */
export const renewSession = async (
  { database, tokens }: AccountServices,
  { userId, tokenVersion = 0, loggedInAt = 0 }: Principal,
): Promise<Session> => {
  const user = await findUserById(database, userId);
  // What the request was let in with was checked up to a second ago.
  if (!user || user.tokenVersion !== tokenVersion) throw new TaskFlowError('UNAUTHENTICATED', 'The login was ended.');
  return { ...(await tokens.renew({ id: userId, tokenVersion }, loggedInAt)), user };
};
