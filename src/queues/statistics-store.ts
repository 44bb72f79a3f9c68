import { type DatabaseSession, Prisma } from '../database/client.ts';

/** Dead letters that are counted, at most: so the count reads no more than a few pages of an index, however many there are. */
export const MAX_FAILED = 10_000;

/**
 * How many dead letters there are; MAX_FAILED for more.
 *
 * @param ownerId whose; undefined for everybody's
 */
export const countDeadLetters = async (session: DatabaseSession, ownerId: string | undefined): Promise<number> => {
  const owned = ownerId === undefined ? Prisma.empty : Prisma.sql`WHERE owner_id = ${ownerId}::uuid`;
  const rows = await session.$queryRaw<{ failed: number }[]>`
    SELECT count(*)::int AS failed FROM (SELECT FROM dead_letters ${owned} LIMIT ${MAX_FAILED}) AS found`;
  return rows[0]?.failed ?? 0;
};
