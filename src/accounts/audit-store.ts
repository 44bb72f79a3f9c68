import { createHash } from 'node:crypto';
import { type Database, type DatabaseSession, Prisma } from '../database/client.ts';
import type { AuditEntry } from '../database/generated/client/client.ts';
import { newId } from '../ids.ts';
import type { AuditAction } from './audit-actions.ts';

export type { AuditEntry };

export interface NewAuditEntry {
  /** Who did it; null for somebody unknown, and for the command line. */
  actorId: string | null;
  action: AuditAction;
  /** The id of what it was done to, or a queue's name. */
  target?: string | null | undefined;
  address?: string | undefined;
  detail?: Record<string, unknown> | undefined;
}

/** Writes an entry; within the transaction of what it speaks of, where that is one. */
export const insertAuditEntry = async (session: DatabaseSession, entry: NewAuditEntry): Promise<void> => {
  const { actorId, action, target = null, address = null, detail } = entry;
  await session.$executeRaw`INSERT INTO audit_log (id, actor_id, action, target, address, detail)
    VALUES (${newId()}::uuid, ${actorId}::uuid, ${action}, ${target}, ${address}, ${toJson(detail)}::jsonb)`;
};

/** Writes an entry, or counts it where there is one with this id. */
export const countAuditEntry = async (session: DatabaseSession, id: string, entry: NewAuditEntry): Promise<void> => {
  const { actorId, action, target = null, address = null, detail } = entry;
  await session.$executeRaw`INSERT INTO audit_log AS a (id, actor_id, action, target, address, detail)
    VALUES (${id}::uuid, ${actorId}::uuid, ${action}, ${target}, ${address}, ${toJson(detail)}::jsonb)
    ON CONFLICT (id) DO UPDATE SET count = a.count + 1`;
};

const toJson = (detail: Record<string, unknown> | undefined): string | null =>
  detail === undefined ? null : JSON.stringify(detail);

/**
 * An id for everything of the same kind in a span of time: a UUIDv7 of its beginning whose random part is a hash of the
 * kind. Entries with such an id stand before the others of that span, and need no index of their own to be found again.
 *
 * @param sinceMs when the span begins, in ms since 1970
 */
export const countedId = (sinceMs: number, kind: readonly (string | null)[]): string => {
  const time = sinceMs.toString(16).padStart(12, '0');
  const hash = createHash('sha256').update(JSON.stringify(kind)).digest('hex');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`;
};

/** @param conditions all must hold; newest first */
export const findAuditPage = (
  database: Database,
  conditions: readonly Prisma.Sql[],
  limit: number,
): Promise<AuditEntry[]> => {
  const where = conditions.length === 0 ? Prisma.empty : Prisma.sql`WHERE ${Prisma.join([...conditions], ' AND ')}`;
  return database.$queryRaw<AuditEntry[]>`
    SELECT id, at, actor_id AS "actorId", action, target, address, count, detail
    FROM audit_log ${where} ORDER BY id DESC LIMIT ${limit}`;
};
