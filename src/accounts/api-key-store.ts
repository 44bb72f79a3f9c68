import type { Database } from '../database/client.ts';
import type { ApiKey, ApiKeyScope } from '../database/generated/client/client.ts';
import { insertAuditEntry, type NewAuditEntry } from './audit-store.ts';

export type { ApiKey };

export interface NewApiKey {
  id: string;
  userId: string;
  name: string;
  prefix: string;
  secretHash: Uint8Array<ArrayBuffer>;
  scopes: ApiKeyScope[];
  expiresAt: Date | null;
  rateLimitPerHour: number | null;
}

export const insertApiKey = (database: Database, key: NewApiKey, entry: NewAuditEntry): Promise<ApiKey> =>
  database.$transaction(async (transaction) => {
    const apiKey = await transaction.apiKey.create({ data: key });
    await insertAuditEntry(transaction, entry);
    return apiKey;
  });

/**
 * Puts a new key into the place of another one, which ends at `endsAt` at the latest.
 *
 * @returns the new key; undefined, and nothing is written, when the old one was revoked or has expired meanwhile
 */
export const replaceApiKey = (
  database: Database,
  oldId: string,
  endsAt: Date,
  key: NewApiKey,
  entry: NewAuditEntry,
): Promise<ApiKey | undefined> =>
  database.$transaction(async (transaction) => {
    const ended = await transaction.$executeRaw`
      UPDATE api_keys SET expires_at = least(expires_at, ${endsAt.toISOString()}::timestamptz)
      WHERE id = ${oldId}::uuid AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;
    if (ended === 0) return undefined;
    const apiKey = await transaction.apiKey.create({ data: key });
    await insertAuditEntry(transaction, entry);
    return apiKey;
  });

/** A user's keys, newest first; also those that no longer work. */
export const findApiKeys = (database: Database, userId: string): Promise<ApiKey[]> =>
  database.apiKey.findMany({ where: { userId }, orderBy: { id: 'desc' } });

/** @returns a key of this user, whether it is active or not */
export const findApiKey = (database: Database, userId: string, id: string): Promise<ApiKey | null> =>
  database.apiKey.findUnique({ where: { id, userId } });

/** Can the key still be used? */
export const isActive = ({ revokedAt, expiresAt }: Pick<ApiKey, 'revokedAt' | 'expiresAt'>): boolean =>
  revokedAt === null && (expiresAt === null || expiresAt.getTime() > Date.now());

/** Revokes a key; one that was revoked before stays as it is. @returns the key, or null where the user has no such key */
export const markRevoked = (
  database: Database,
  userId: string,
  id: string,
  entry: NewAuditEntry,
): Promise<ApiKey | null> =>
  database.$transaction(async (transaction) => {
    const { count } = await transaction.apiKey.updateMany({
      where: { id, userId, revokedAt: null },
      data: { revokedAt: new Date() },
    });
    if (count > 0) await insertAuditEntry(transaction, entry);
    return transaction.apiKey.findUnique({ where: { id, userId } });
  });
