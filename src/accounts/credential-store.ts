import { plainArray } from '../database/arrays.ts';
import { type Database, Prisma } from '../database/client.ts';
import type { ApiKey, ApiKeyScope, User } from '../database/generated/client/client.ts';

/** What is asked of an API key that was shown, with one question to PostgreSQL. */
export interface ShownApiKey extends Pick<ApiKey, 'id' | 'userId' | 'expiresAt' | 'rateLimitPerHour'> {
  secretHash: Uint8Array;
  scopes: ApiKeyScope[];
  ownerIsAdmin: boolean;
}

const SHOWN_KEY = Prisma.sql`SELECT k.id, k.user_id AS "userId", k.secret_hash AS "secretHash", k.scopes::text[] AS scopes,
    k.expires_at AS "expiresAt", k.rate_limit_per_hour AS "rateLimitPerHour", u.is_admin AS "ownerIsAdmin"
  FROM api_keys k JOIN users u ON u.id = k.user_id`;

const MAY_WORK = Prisma.sql`k.revoked_at IS NULL AND u.locked_at IS NULL`;

/** @returns the key with this hash, unless it was revoked or its owner is locked; it may have expired */
export const findShownApiKey = async (
  database: Database,
  secretHash: Uint8Array<ArrayBuffer>,
): Promise<ShownApiKey | undefined> => {
  const [row] = await database.$queryRaw<ShownApiKey[]>`
    ${SHOWN_KEY} WHERE k.secret_hash = ${secretHash} AND ${MAY_WORK}`;
  return row;
};

/** As `findShownApiKey`, by its id. */
export const findApiKeyById = async (
  database: Database,
  userId: string,
  id: string,
): Promise<ShownApiKey | undefined> => {
  const [row] = await database.$queryRaw<ShownApiKey[]>`
    ${SHOWN_KEY} WHERE k.id = ${id}::uuid AND k.user_id = ${userId}::uuid AND ${MAY_WORK}`;
  return row;
};

type TokenState = Pick<User, 'tokenVersion' | 'isAdmin'>;

/**
 * What is asked of a user whose token was shown.
 *
 * @param sessionId the login that the token names, if it does
 * @returns undefined where the user is gone or locked, or the login was ended
 */
export const findTokenState = async (
  database: Database,
  userId: string,
  sessionId: string | undefined,
): Promise<TokenState | undefined> => {
  const id = sessionId ?? null;
  const [row] = await database.$queryRaw<TokenState[]>`
    SELECT u."token_version" AS "tokenVersion", u.is_admin AS "isAdmin" FROM users u
    WHERE u.id = ${userId}::uuid AND u.locked_at IS NULL AND (${id}::uuid IS NULL
      OR EXISTS (SELECT FROM login_sessions s WHERE s.id = ${id}::uuid AND s.user_id = u.id))`;
  return row;
};

export interface CredentialStates {
  activeKeys: ReadonlySet<string>;
  users: ReadonlyMap<string, TokenState>;
  /** Logins that go on. */
  sessions: ReadonlySet<string>;
}

/** Which of these keys, users' tokens and logins still count, with one query. */
export const findCredentialStates = async (
  database: Database,
  apiKeyIds: ReadonlySet<string>,
  userIds: ReadonlySet<string>,
  sessionIds: ReadonlySet<string>,
): Promise<CredentialStates> => {
  const idsOf = (ids: ReadonlySet<string>): string => plainArray(ids, (id) => id);
  const rows = await database.$queryRaw<
    { kind: 'key' | 'user' | 'session'; id: string; version: number; admin: boolean }[]
  >`
    SELECT 'key' AS kind, k.id, 0 AS version, false AS admin FROM api_keys k JOIN users u ON u.id = k.user_id
    WHERE k.id = ANY(${idsOf(apiKeyIds)}::uuid[]) AND ${MAY_WORK} AND (k.expires_at IS NULL OR k.expires_at > now())
    UNION ALL SELECT 'user', id, "token_version", is_admin FROM users
    WHERE id = ANY(${idsOf(userIds)}::uuid[]) AND locked_at IS NULL
    UNION ALL SELECT 'session', id, 0, false FROM login_sessions WHERE id = ANY(${idsOf(sessionIds)}::uuid[])`;
  const activeKeys = new Set<string>();
  const users = new Map<string, TokenState>();
  const sessions = new Set<string>();
  for (const { kind, id, version, admin } of rows) {
    if (kind === 'key') activeKeys.add(id);
    else if (kind === 'session') sessions.add(id);
    else users.set(id, { tokenVersion: version, isAdmin: admin });
  }
  return { activeKeys, users, sessions };
};

/** Whose credentials were used, and when. */
export interface Use {
  userId: string;
  at: Date;
}

/**
 * Notes when credentials were last used and their users last there, many at once; never sets a time back. Rows are locked in
 * the order of their ids, so that nodes which write at once do not stop each other.
 *
 * @param uses by the id of the API key or login, or of the user of a login that is not kept
 */
export const writeUses = async (database: Database, uses: ReadonlyMap<string, Use>): Promise<void> => {
  const ids = plainArray(uses.keys(), (id) => id);
  const userIds = plainArray(uses.values(), ({ userId }) => userId);
  const times = plainArray(uses.values(), ({ at }) => at.toISOString());
  await database.$executeRaw`
    WITH uses AS (SELECT * FROM unnest(${ids}::uuid[], ${userIds}::uuid[], ${times}::timestamptz[]) AS u(id, user_id, at)),
      keys AS (UPDATE api_keys k SET last_used_at = at FROM uses, (SELECT id FROM api_keys
          WHERE id IN (SELECT id FROM uses) ORDER BY id FOR NO KEY UPDATE) locked
        WHERE k.id = locked.id AND uses.id = k.id AND (k.last_used_at IS NULL OR k.last_used_at < at)),
      logins AS (UPDATE login_sessions s SET last_used_at = at FROM uses, (SELECT id FROM login_sessions
          WHERE id IN (SELECT id FROM uses) ORDER BY id FOR NO KEY UPDATE) locked
        WHERE s.id = locked.id AND uses.id = s.id AND s.last_used_at < at)
    UPDATE users u SET last_seen_at = seen.at FROM (SELECT user_id, max(at) AS at FROM uses GROUP BY user_id) seen,
      (SELECT id FROM users WHERE id IN (SELECT user_id FROM uses) ORDER BY id FOR NO KEY UPDATE) locked
    WHERE u.id = locked.id AND seen.user_id = u.id AND (u.last_seen_at IS NULL OR u.last_seen_at < seen.at)`;
};
