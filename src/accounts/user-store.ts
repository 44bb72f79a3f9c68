import { type Database, type DatabaseSession, Prisma } from '../database/client.ts';
import type { User } from './account-store.ts';
import { insertAuditEntry, type NewAuditEntry } from './audit-store.ts';
import { deleteSessions } from './session-store.ts';

/** An account as admins see it. */
export interface UserAccount
  extends Pick<User, 'id' | 'email' | 'username' | 'isAdmin' | 'createdAt' | 'lockedAt' | 'lastSeenAt'> {
  /** API keys that have neither expired nor been revoked. */
  activeApiKeys: number;
  /** Logins that go on. */
  openSessions: number;
}

/** The counts are read for the rows of a page only, each by the index of its table. */
const COLUMNS = Prisma.sql`u.id, u.email, u.username, u.is_admin AS "isAdmin", u.created_at AS "createdAt",
    u.locked_at AS "lockedAt", u.last_seen_at AS "lastSeenAt",
    (SELECT count(*)::int FROM api_keys k WHERE k.user_id = u.id AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > now())) AS "activeApiKeys",
    (SELECT count(*)::int FROM login_sessions s WHERE s.user_id = u.id AND s.expires_at > now()) AS "openSessions"`;

/** @param conditions about users as `u`, all of which must hold; newest first */
export const findUserPage = (
  database: Database,
  conditions: readonly Prisma.Sql[],
  limit: number,
): Promise<UserAccount[]> => {
  const where = conditions.length === 0 ? Prisma.empty : Prisma.sql`WHERE ${Prisma.join([...conditions], ' AND ')}`;
  return database.$queryRaw<UserAccount[]>`
    SELECT ${COLUMNS} FROM (SELECT * FROM users u ${where} ORDER BY u.id DESC LIMIT ${limit}) u ORDER BY u.id DESC`;
};

export const findUserAccount = async (session: DatabaseSession, id: string): Promise<UserAccount | undefined> => {
  const [row] = await session.$queryRaw<UserAccount[]>`SELECT ${COLUMNS} FROM users u WHERE u.id = ${id}::uuid`;
  return row;
};

/**
 * The admins who are not locked. Their rows stay locked to the end of the transaction: of two admins who lock each other at
 * once, the second finds that it is none any more.
 */
export const lockAdmins = async (transaction: DatabaseSession): Promise<string[]> => {
  const rows = await transaction.$queryRaw<{ id: string }[]>`
    SELECT id FROM users WHERE is_admin AND locked_at IS NULL ORDER BY id FOR NO KEY UPDATE`;
  return rows.map(({ id }) => id);
};

/** Locks a user, and ends all logins and their tokens. @returns false, and nothing is changed, where it is locked already */
export const writeLock = async (transaction: DatabaseSession, id: string, entry: NewAuditEntry): Promise<boolean> => {
  const changed = await transaction.$executeRaw`
    UPDATE users SET locked_at = now(), token_version = token_version + 1 WHERE id = ${id}::uuid AND locked_at IS NULL`;
  if (changed === 0) return false;
  await deleteSessions(transaction, id);
  await insertAuditEntry(transaction, entry);
  return true;
};

/** @returns the version of the user's tokens; undefined, and nothing is changed, where it is not locked */
export const writeUnlock = async (
  transaction: DatabaseSession,
  id: string,
  entry: NewAuditEntry,
): Promise<number | undefined> => {
  const [changed] = await transaction.$queryRaw<{ tokenVersion: number }[]>`
    UPDATE users SET locked_at = NULL WHERE id = ${id}::uuid AND locked_at IS NOT NULL
    RETURNING token_version AS "tokenVersion"`;
  if (changed) await insertAuditEntry(transaction, entry);
  return changed?.tokenVersion;
};

/** Where it is so already, nothing is changed. */
export const writeRole = async (
  transaction: DatabaseSession,
  id: string,
  isAdmin: boolean,
  entry: NewAuditEntry,
): Promise<void> => {
  const changed = await transaction.$executeRaw`
    UPDATE users SET is_admin = ${isAdmin} WHERE id = ${id}::uuid AND is_admin <> ${isAdmin}`;
  if (changed > 0) await insertAuditEntry(transaction, entry);
};
