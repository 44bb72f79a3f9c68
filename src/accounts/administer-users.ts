import type { DatabaseSession } from '../database/client.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import type { AccountServices } from './account-services.ts';
import { actorOf, type Caller } from './audit.ts';
import { ADMINS_ONLY } from './principal.ts';
import { findUserAccount, lockAdmins, type UserAccount, writeLock, writeRole, writeUnlock } from './user-store.ts';

/**
 * Locks a user: logins, tokens and API keys are refused at once on every node, and in any case within a second, and what is
 * open with them is cut off. Tasks that wait or run, and schedules, go on. Doing it again changes nothing.
 *
 * @throws TaskFlowError NOT_FOUND; BAD_USER_INPUT for oneself; FORBIDDEN for who is no admin any more
 */
export const lockUser = async (services: AccountServices, caller: Caller, id: string): Promise<UserAccount> => {
  const { database, revocations } = services;
  if (id === caller.principal.userId) throw badInput('id', 'You cannot lock yourself.');
  const locked = await database.$transaction(async (transaction) => {
    // Whoever does it stays an admin: the last one is never locked.
    await requireStillAdmin(transaction, caller);
    await writeLock(transaction, id, { ...actorOf(caller), action: 'USER_LOCKED', target: id });
    return existing(await findUserAccount(transaction, id), id);
  });
  await revocations.announce({ what: 'lock', userId: id });
  return locked;
};

/**
 * Lets a user in again: the password and the API keys work as before. Logins from before the lock stay ended. Where there is
 * no lock, nothing changes.
 *
 * @throws TaskFlowError NOT_FOUND; FORBIDDEN for who is no admin any more
 */
export const unlockUser = async (services: AccountServices, caller: Caller, id: string): Promise<UserAccount> => {
  const { database, revocations } = services;
  const { account, tokenVersion } = await database.$transaction(async (transaction) => {
    await requireStillAdmin(transaction, caller);
    const entry = { ...actorOf(caller), action: 'USER_UNLOCKED', target: id } as const;
    const version = await writeUnlock(transaction, id, entry);
    return { account: existing(await findUserAccount(transaction, id), id), tokenVersion: version };
  });
  // It takes the place of the lock. Where it is lost, a node that heard of the lock goes on refusing for up to a minute.
  if (tokenVersion !== undefined) await revocations.announce({ what: 'tokens', userId: id, before: tokenVersion });
  return account;
};

/**
 * Makes a user an admin, or an admin an ordinary user; also oneself, unless there is no other admin. What is open with an
 * admin's rights is cut off within a second. Where it is so already, nothing changes.
 *
 * @throws TaskFlowError NOT_FOUND; CONFLICT for the last admin; FORBIDDEN for who is no admin any more
 */
export const setUserRole = (
  { database }: AccountServices,
  caller: Caller,
  id: string,
  isAdmin: boolean,
): Promise<UserAccount> =>
  database.$transaction(async (transaction) => {
    const admins = await requireStillAdmin(transaction, caller);
    if (!isAdmin && admins.length === 1 && admins.includes(id))
      throw new TaskFlowError('CONFLICT', 'This is the last admin; make somebody else one first.');
    const action = isAdmin ? 'USER_PROMOTED' : 'USER_DEMOTED';
    await writeRole(transaction, id, isAdmin, { ...actorOf(caller), action, target: id });
    return existing(await findUserAccount(transaction, id), id);
  });

/** The caller may have been locked or demoted a moment ago. @returns all admins; their rows are locked */
const requireStillAdmin = async (transaction: DatabaseSession, { principal }: Caller): Promise<string[]> => {
  const admins = await lockAdmins(transaction);
  if (!admins.includes(principal.userId)) throw new TaskFlowError('FORBIDDEN', ADMINS_ONLY);
  return admins;
};

const existing = (account: UserAccount | undefined, id: string): UserAccount => {
  if (!account) throw new TaskFlowError('NOT_FOUND', `There is no user ${id}.`);
  return account;
};
