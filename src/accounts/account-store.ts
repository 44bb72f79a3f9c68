import type { Database, DatabaseSession } from '../database/client.ts';
import type { User } from '../database/generated/client/client.ts';
import { isUniqueViolation } from '../database/outage.ts';
import { TaskFlowError } from '../errors.ts';
import { insertAuditEntry, type NewAuditEntry } from './audit-store.ts';
import { deleteSessions } from './session-store.ts';

export type { User };

export interface NewUser {
  id: string;
  /** In lower case. */
  email: string;
  username: string;
  passwordHash: string;
}

/**
 * Writes a user and the feed of their tasks' events, without which they could not submit.
 *
 * @param address the client's, for the audit log
 * @throws TaskFlowError CONFLICT when the email or the username is taken
 */
export const insertUser = async (database: Database, user: NewUser, address: string | undefined): Promise<User> => {
  try {
    return await database.$transaction(async (transaction) => {
      const isAdmin = await isFirstUser(transaction);
      const created = await transaction.user.create({ data: { ...user, isAdmin } });
      await transaction.ownerFeed.create({ data: { ownerId: user.id } });
      const entry = { actorId: user.id, target: user.id, address, action: 'SIGNED_UP' } as const;
      await insertAuditEntry(transaction, isAdmin ? { ...entry, detail: { isAdmin } } : entry);
      return created;
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const taken = await database.user.findUnique({ where: { email: user.email }, select: { id: true } });
    const field = taken ? 'email' : 'username';
    throw new TaskFlowError('CONFLICT', `This ${field} is taken.`, { field: `input.${field}` }, { cause: error });
  }
};

/**
 * Was there never a user before? Feeds are kept when accounts are deleted: whoever signs up after the last user has left is
 * not the first, and does not get to see that user's tasks.
 *
 * Of several that sign up at once, the others wait for the first one's commit here. Later ones take no lock.
 */
const isFirstUser = async (transaction: DatabaseSession): Promise<boolean> => {
  if (await hasFeeds(transaction)) return false;
  await transaction.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('taskflow_first_user'))`;
  return !(await hasFeeds(transaction));
};

const hasFeeds = async (session: DatabaseSession): Promise<boolean> => {
  const [row] = await session.$queryRaw<{ found: boolean }[]>`SELECT EXISTS (SELECT FROM owner_feeds) AS found`;
  return row?.found ?? false;
};

/** @param identifier an email or a username; usernames hold no "@" */
export const findUserByIdentifier = (database: Database, identifier: string): Promise<User | null> =>
  identifier.includes('@')
    ? database.user.findUnique({ where: { email: identifier.toLowerCase() } })
    : database.user.findUnique({ where: { username: identifier.toLowerCase() } });

export const findUserById = (database: Database, id: string): Promise<User | null> =>
  database.user.findUnique({ where: { id } });

/** Stores another hash of the same password, unless it was changed meanwhile. */
export const replaceHash = async (database: Database, user: User, passwordHash: string): Promise<void> => {
  await database.user.updateMany({ where: { id: user.id, passwordHash: user.passwordHash }, data: { passwordHash } });
};

/**
 * Stores another password, with which all logins and tokens from before end.
 *
 * @returns the user as it is now; undefined, and nothing is changed, when it was changed meanwhile
 */
export const replacePassword = (
  database: Database,
  { id, tokenVersion }: User,
  passwordHash: string,
  entry: NewAuditEntry,
): Promise<User | undefined> =>
  database.$transaction(async (transaction) => {
    const [changed] = await transaction.user.updateManyAndReturn({
      where: { id, tokenVersion },
      data: { passwordHash, tokenVersion: { increment: 1 } },
    });
    if (changed) {
      await deleteSessions(transaction, id);
      await insertAuditEntry(transaction, entry);
    }
    return changed;
  });

/** Deletes a user and their API keys. Their feed is kept: no transition of their tasks could be recorded without it. */
export const deleteUser = async (database: Database, id: string, entry: NewAuditEntry): Promise<void> => {
  await database.$transaction(async (transaction) => {
    const { count } = await transaction.user.deleteMany({ where: { id } });
    if (count > 0) await insertAuditEntry(transaction, entry);
  });
};

/** @returns the user as it is now; null where there is none */
export const writeIsAdmin = (
  database: Database,
  { id }: Pick<User, 'id'>,
  isAdmin: boolean,
  entry: NewAuditEntry,
): Promise<User | null> =>
  database.$transaction(async (transaction) => {
    const [changed] = await transaction.user.updateManyAndReturn({
      where: { id, isAdmin: !isAdmin },
      data: { isAdmin },
    });
    if (changed) await insertAuditEntry(transaction, entry);
    return changed ?? transaction.user.findUnique({ where: { id } });
  });
