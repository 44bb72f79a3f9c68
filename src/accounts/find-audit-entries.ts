import { type Database, Prisma } from '../database/client.ts';
import { badInput } from '../errors.ts';
import type { AuditAction } from './audit-actions.ts';
import { type AuditEntry, findAuditPage } from './audit-store.ts';

/** Which entries: all that is given must hold. */
export interface AuditWhere {
  action?: readonly AuditAction[] | null | undefined;
  actorId?: string | null | undefined;
  target?: string | null | undefined;
  address?: string | null | undefined;
  /** At this time or later. */
  since?: Date | null | undefined;
  /** Before this time. */
  until?: Date | null | undefined;
}

export interface AuditPage {
  /** Newest first. */
  entries: AuditEntry[];
  hasNextPage: boolean;
}

/** How far the clocks of a node and of PostgreSQL may differ. */
const CLOCK_MARGIN = '10 minutes';

export const AUDIT_PAGE = { initial: 50, max: 500 } as const;

/**
 * A page of the audit log, newest first, by keyset.
 *
 * @param first how many, at most 500. Default: 50
 * @param after the id of the last entry of the page before; a UUID
 * @throws TaskFlowError BAD_USER_INPUT for a page of another size, or a text that cannot be
 */
export const findAuditEntries = async (
  database: Database,
  where: AuditWhere,
  first: number = AUDIT_PAGE.initial,
  after?: string,
): Promise<AuditPage> => {
  if (first < 0) throw badInput('first', 'first must not be negative.');
  if (first > AUDIT_PAGE.max) throw badInput('first', `first must be at most ${AUDIT_PAGE.max}.`, AUDIT_PAGE.max);
  for (const field of ['target', 'address'] as const) {
    if (where[field]?.includes('\0')) throw badInput(`where.${field}`, `where.${field} must not contain NUL.`);
  }
  const conditions = toConditions(where);
  if (after !== undefined) conditions.push(Prisma.sql`id < ${after}::uuid`);
  // One more than asked for shows whether there are more.
  const found = await findAuditPage(database, conditions, first + 1);
  return { entries: found.slice(0, first), hasNextPage: found.length > first };
};

const toConditions = ({ action, actorId, target, address, since, until }: AuditWhere): Prisma.Sql[] => {
  const conditions: Prisma.Sql[] = [];
  if (action) conditions.push(Prisma.sql`action = ANY(${[...action]}::text[])`);
  if (actorId) conditions.push(Prisma.sql`actor_id = ${actorId}::uuid`);
  if (target) conditions.push(Prisma.sql`target = ${target}`);
  if (address) conditions.push(Prisma.sql`address = ${address}`);
  // Ids begin with a time as well, of another clock: PostgreSQL then looks only at that part of the index.
  if (since) {
    const from = Prisma.sql`${since.toISOString()}::timestamptz`;
    conditions.push(Prisma.sql`at >= ${from} AND id >= taskflow_first_id(${from} - ${CLOCK_MARGIN}::interval)`);
  }
  if (until) {
    const to = Prisma.sql`${until.toISOString()}::timestamptz`;
    conditions.push(Prisma.sql`at < ${to} AND id < taskflow_first_id(${to} + ${CLOCK_MARGIN}::interval)`);
  }
  return conditions;
};
