import { newId } from '../ids.ts';
import type { AccountServices } from './account-services.ts';
import { findUserById } from './account-store.ts';
import type { Caller } from './audit.ts';
import { type Session, sessionEnded } from './open-session.ts';
import { extendSession, insertSession } from './session-store.ts';

/**
 * Goes on with a login: a new token, of the version that the present one has, so that a change of the password ends both. A
 * login from before they were kept is kept from now on.
 *
 * @param caller with a login
 * @throws TaskFlowError UNAUTHENTICATED when the password was given too long ago, or the login was ended meanwhile
 */
export const renewSession = async (
  { database, tokens }: AccountServices,
  { principal, address, userAgent }: Caller,
): Promise<Session> => {
  const { userId, tokenVersion = 0, loggedInAt = 0, sessionId } = principal;
  const user = await findUserById(database, userId);
  // What the request was let in with was checked up to a second ago.
  if (!user || user.tokenVersion !== tokenVersion) throw sessionEnded();
  const id = sessionId ?? newId();
  const issued = await tokens.renew({ id: userId, tokenVersion }, loggedInAt, id);
  const { expiresAt } = issued;
  const goesOn =
    sessionId === undefined
      ? await insertSession(database, user, { id, expiresAt, address, userAgent })
      : await extendSession(database, id, expiresAt);
  if (!goesOn) throw sessionEnded();
  return { ...issued, user };
};
