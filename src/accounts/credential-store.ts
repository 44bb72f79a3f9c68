import { plainArray } from '../database/array-literal.ts';
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

/** @returns the key with this hash, unless it was revoked; it may have expired */
export const findShownApiKey = async (
  database: Database,
  secretHash: Uint8Array<ArrayBuffer>,
): Promise<ShownApiKey | undefined> => {
  const [row] = await database.$queryRaw<ShownApiKey[]>`
    ${SHOWN_KEY} WHERE k.secret_hash = ${secretHash} AND k.revoked_at IS NULL`;
  return row;
};

/** As `findShownApiKey`, by its id. */
export const findApiKeyById = async (
  database: Database,
  userId: string,
  id: string,
): Promise<ShownApiKey | undefined> => {
  const [row] = await database.$queryRaw<ShownApiKey[]>`
    ${SHOWN_KEY} WHERE k.id = ${id}::uuid AND k.user_id = ${userId}::uuid AND k.revoked_at IS NULL`;
  return row;
};

/** What is asked of a user whose token was shown. */
export const findTokenState = (
  database: Database,
  userId: string,
): Promise<Pick<User, 'tokenVersion' | 'isAdmin'> | null> =>
  database.user.findUnique({ where: { id: userId }, select: { tokenVersion: true, isAdmin: true } });

export interface CredentialStates {
  activeKeys: ReadonlySet<string>;
  users: ReadonlyMap<string, Pick<User, 'tokenVersion' | 'isAdmin'>>;
}

/** Which of these keys and users' tokens still count, with one query. */
export const findCredentialStates = async (
  database: Database,
  apiKeyIds: ReadonlySet<string>,
  userIds: ReadonlySet<string>,
): Promise<CredentialStates> => {
  const rows = await database.$queryRaw<{ id: string; token_version: number | null; is_admin: boolean | null }[]>`
    SELECT id, NULL::int AS token_version, NULL::boolean AS is_admin FROM api_keys
    WHERE id = ANY(${plainArray(apiKeyIds, (id) => id)}::uuid[]) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    UNION ALL SELECT id, token_version, is_admin FROM users WHERE id = ANY(${plainArray(userIds, (id) => id)}::uuid[])`;
  const activeKeys = new Set<string>();
  const users = new Map<string, Pick<User, 'tokenVersion' | 'isAdmin'>>();
  for (const { id, token_version, is_admin } of rows) {
    if (token_version === null) activeKeys.add(id);
    else users.set(id, { tokenVersion: token_version, isAdmin: is_admin ?? false });
  }
  return { activeKeys, users };
};
