import type { Database } from '../database/client.ts';
import type { ApiKey, ApiKeyScope, User } from '../database/generated/client/client.ts';
import { isUniqueViolation } from '../database/outage.ts';
import { TaskFlowError } from '../errors.ts';

export type { ApiKey, User };

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
 * @throws TaskFlowError CONFLICT when the email or the username is taken
 */
export const insertUser = async (database: Database, user: NewUser): Promise<User> => {
  try {
    const [created] = await database.$transaction([
      database.user.create({ data: user }),
      database.ownerFeed.create({ data: { ownerId: user.id } }),
    ]);
    return created;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const taken = await database.user.findUnique({ where: { email: user.email }, select: { id: true } });
    const field = taken ? 'email' : 'username';
    throw new TaskFlowError('CONFLICT', `This ${field} is taken.`, { field: `input.${field}` }, { cause: error });
  }
};

/** @param identifier an email or a username; usernames hold no "@" */
export const findUserByIdentifier = (database: Database, identifier: string): Promise<User | null> =>
  identifier.includes('@')
    ? database.user.findUnique({ where: { email: identifier.toLowerCase() } })
    : database.user.findUnique({ where: { username: identifier.toLowerCase() } });

export interface NewApiKey {
  id: string;
  userId: string;
  name: string;
  prefix: string;
  secretHash: Uint8Array<ArrayBuffer>;
  scopes: ApiKeyScope[];
  expiresAt: Date;
}

export const insertApiKey = (database: Database, key: NewApiKey): Promise<ApiKey> =>
  database.apiKey.create({ data: key });

/** Can the key still be used? */
export const isActive = ({ revokedAt, expiresAt }: Pick<ApiKey, 'revokedAt' | 'expiresAt'>): boolean =>
  revokedAt === null && (expiresAt === null || expiresAt.getTime() > Date.now());

/** @returns the key with this hash, whether it is active or not */
export const findApiKeyByHash = (database: Database, secretHash: Uint8Array<ArrayBuffer>): Promise<ApiKey | null> =>
  database.apiKey.findUnique({ where: { secretHash } });

/** Revokes a key; one that was revoked before stays as it is. @returns the key, or null where the user has no such key */
export const markRevoked = async (database: Database, userId: string, id: string): Promise<ApiKey | null> => {
  await database.apiKey.updateMany({ where: { id, userId, revokedAt: null }, data: { revokedAt: new Date() } });
  return database.apiKey.findUnique({ where: { id, userId } });
};

/** Notes when keys were last used, many at once; never sets a time back. */
export const writeLastUsed = async (database: Database, uses: ReadonlyMap<string, Date>): Promise<void> => {
  await database.$executeRaw`
    UPDATE api_keys k SET last_used_at = u.at
    FROM unnest(${[...uses.keys()]}::uuid[], ${[...uses.values()].map((at) => at.toISOString())}::timestamptz[]) AS u(id, at)
    WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)`;
};
