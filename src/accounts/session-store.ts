import type { Database, DatabaseSession } from '../database/client.ts';
import type { LoginSession } from '../database/generated/client/client.ts';
import type { User } from './account-store.ts';
import type { Client } from './audit.ts';

export type { LoginSession };

/** Logins that are shown, at most: programs may log in again and again. */
export const MAX_SESSIONS = 100;
/** Of what a client says that it is. */
const MAX_AGENT_LENGTH = 500;

export interface NewSession extends Client {
  id: string;
  /** When its token expires. */
  expiresAt: Date;
}

/**
 * Keeps a login, and forgets those of the user that have expired.
 *
 * @returns false, and nothing is kept, when the user was locked meanwhile or has tokens of another version
 */
export const insertSession = async (
  database: Database,
  { id: userId, tokenVersion }: Pick<User, 'id' | 'tokenVersion'>,
  { id, expiresAt, address, userAgent }: NewSession,
): Promise<boolean> => {
  const agent = userAgent?.slice(0, MAX_AGENT_LENGTH) ?? null;
  // With the row locked: whoever locks the user or changes the password does so before, and is seen, or after, and ends it.
  const inserted = await database.$executeRaw`
    WITH expired AS (DELETE FROM login_sessions WHERE user_id = ${userId}::uuid AND expires_at <= now())
    INSERT INTO login_sessions (id, user_id, expires_at, address, user_agent)
    SELECT ${id}::uuid, u.id, ${expiresAt.toISOString()}::timestamptz, ${address ?? null}, ${agent} FROM users u
    WHERE u.id = ${userId}::uuid AND u.token_version = ${tokenVersion} AND u.locked_at IS NULL FOR SHARE OF u`;
  return inserted === 1;
};

/** Lets a login go on until its newest token expires. @returns false when it was ended */
export const extendSession = async (database: Database, id: string, expiresAt: Date): Promise<boolean> => {
  const { count } = await database.loginSession.updateMany({
    where: { id },
    data: { expiresAt, lastUsedAt: new Date() },
  });
  return count > 0;
};

/** A user's logins that go on, the newest first, at most 100. */
export const findSessions = (database: Database, userId: string): Promise<LoginSession[]> =>
  database.loginSession.findMany({
    where: { userId, expiresAt: { gt: new Date() } },
    orderBy: { id: 'desc' },
    take: MAX_SESSIONS,
  });

/** @returns the login as it was; undefined where the user has none with this id */
export const deleteSession = async (
  database: Database,
  userId: string,
  id: string,
): Promise<LoginSession | undefined> => {
  const [deleted] = await database.$queryRaw<LoginSession[]>`
    DELETE FROM login_sessions WHERE id = ${id}::uuid AND user_id = ${userId}::uuid
    RETURNING id, user_id AS "userId", created_at AS "createdAt", last_used_at AS "lastUsedAt", expires_at AS "expiresAt",
      address, user_agent AS "userAgent"`;
  return deleted;
};

/** Ends all logins of a user; their tokens must end with it, by their version. */
export const deleteSessions = async (transaction: DatabaseSession, userId: string): Promise<void> => {
  await transaction.$executeRaw`DELETE FROM login_sessions WHERE user_id = ${userId}::uuid`;
};
