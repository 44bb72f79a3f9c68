import { type Database, Prisma } from '../database/client.ts';
import { badInput } from '../errors.ts';
import { findUserPage, type UserAccount } from './user-store.ts';

/** Which users: all that is given must hold. */
export interface UserWhere {
  /** A part of the email or the username, in any case. */
  search?: string | null | undefined;
  isAdmin?: boolean | undefined;
  isLocked?: boolean | null | undefined;
}

export interface UserPage {
  /** Newest first. */
  users: UserAccount[];
  hasNextPage: boolean;
}

export const USER_PAGE = { initial: 50, max: 500 } as const;

const MAX_SEARCH_LENGTH = 254;

/**
 * A page of the users that match, newest first, by keyset. A search looks at user after user until the page is full.
 *
 * @param first how many, at most 500. Default: 50
 * @param after the id of the last user of the page before; a UUID
 * @throws TaskFlowError BAD_USER_INPUT for a page of another size, or a search that no name can match
 */
export const findUsers = async (
  database: Database,
  where: UserWhere,
  first: number = USER_PAGE.initial,
  after?: string,
): Promise<UserPage> => {
  if (first < 0) throw badInput('first', 'first must not be negative.');
  if (first > USER_PAGE.max) throw badInput('first', `first must be at most ${USER_PAGE.max}.`, USER_PAGE.max);
  const conditions = toConditions(where);
  if (after !== undefined) conditions.push(Prisma.sql`u.id < ${after}::uuid`);
  // One more than asked for shows whether there are more.
  const found = await findUserPage(database, conditions, first + 1);
  return { users: found.slice(0, first), hasNextPage: found.length > first };
};

const toConditions = ({ search, isAdmin, isLocked }: UserWhere): Prisma.Sql[] => {
  const conditions: Prisma.Sql[] = [];
  const part = search?.trim().toLowerCase();
  if (part) {
    if (part.includes('\0')) throw badInput('search', 'search must not contain NUL.');
    if (part.length > MAX_SEARCH_LENGTH)
      throw badInput('search', `search must have at most ${MAX_SEARCH_LENGTH} characters.`, MAX_SEARCH_LENGTH);
    conditions.push(Prisma.sql`(strpos(u.email, ${part}) > 0 OR strpos(u.username, ${part}) > 0)`);
  }
  if (isAdmin !== undefined) conditions.push(Prisma.sql`u.is_admin = ${isAdmin}`);
  if (typeof isLocked === 'boolean') {
    conditions.push(isLocked ? Prisma.sql`u.locked_at IS NOT NULL` : Prisma.sql`u.locked_at IS NULL`);
  }
  return conditions;
};
