import { type Database, Prisma } from '../database/client.ts';
import { badInput } from '../errors.ts';
import { findTaskPage } from './task-page-store.ts';
import type { Task } from './task-store.ts';
import { checkId, checkWhere, type TaskWhere, toConditions } from './task-where.ts';

export { checkId } from './task-where.ts';

/** A task without its large parts, which are read when they are asked for. */
export type TaskSummary = Omit<Task, 'payload' | 'result'> & Partial<Pick<Task, 'payload' | 'result'>>;

/** The large parts of a task: up to 256 KiB and 1 MiB. */
export type LargePart = 'payload' | 'result';
export const LARGE_PARTS: readonly LargePart[] = ['payload', 'result'];

/** As Relay's connections have it. Default: the first 50. */
export interface PageRequest {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}

export interface TaskPage {
  /** Newest first. */
  tasks: TaskSummary[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 500;

/**
 * @param ownerId whose it must be; undefined for an admin
 * @param parts which of the large parts shall be read along. Default: all
 * @returns the task, or null where there is none of this owner's
 * @throws TaskFlowError BAD_USER_INPUT when the id is no UUID
 */
export const findTask = async (
  database: Database,
  ownerId: string | undefined,
  id: string,
  parts: readonly LargePart[] = LARGE_PARTS,
): Promise<TaskSummary | null> => {
  const omit = { payload: !parts.includes('payload'), result: !parts.includes('result') };
  const task: TaskSummary | null = await database.task.findUnique({ where: { id: checkId(id) }, omit });
  return task && (ownerId === undefined || task.ownerId === ownerId) ? task : null;
};

/**
 * A page of tasks, newest first. The place of a page is the id of its neighbour, not a count: it costs the same however
 * far down it is, and tasks that are added meanwhile shift nothing.
 *
 * @param ownerId whose; undefined for an admin: everybody's
 * @throws TaskFlowError BAD_USER_INPUT for a page of more than 500, a malformed cursor, or a faulty filter
 */
export const findTasks = async (
  database: Database,
  ownerId: string | undefined,
  where: TaskWhere,
  page: PageRequest,
): Promise<TaskPage> => {
  const size = pageSize(page);
  const isBackward = page.last !== null && page.last !== undefined;
  const conditions = toConditions(checkWhere(where));
  if (ownerId !== undefined) conditions.push(Prisma.sql`owner_id = ${ownerId}::uuid`);
  if (page.after) conditions.push(Prisma.sql`id < ${idOfCursor(page.after, 'after')}::uuid`);
  if (page.before) conditions.push(Prisma.sql`id > ${idOfCursor(page.before, 'before')}::uuid`);
  // One more than asked for shows whether there are more.
  const found = await findTaskPage(database, conditions, isBackward ? 'oldest first' : 'newest first', size + 1);
  const tasks = found.slice(0, size);
  const hasMore = found.length > size;
  return {
    tasks: isBackward ? tasks.reverse() : tasks,
    hasNextPage: isBackward ? Boolean(page.before) : hasMore,
    hasPreviousPage: isBackward ? hasMore : Boolean(page.after),
  };
};

const pageSize = ({ first, last }: PageRequest): number => {
  const isGiven = (size: number | null | undefined): size is number => size !== null && size !== undefined;
  if (isGiven(first) && isGiven(last)) throw badInput('last', 'first and last cannot be given together.');
  const [field, size] = isGiven(last) ? ['last', last] : ['first', first ?? DEFAULT_PAGE];
  if (size < 0) throw badInput(field, `${field} must not be negative.`);
  if (size > MAX_PAGE) throw badInput(field, `${field} must be at most ${MAX_PAGE}.`, MAX_PAGE);
  return size;
};

/** The cursor of a task in a connection: its id. */
export const cursorOf = ({ id }: Pick<Task, 'id'>): string => id;

const idOfCursor = (cursor: string, field: string): string => {
  try {
    return checkId(cursor, field);
  } catch {
    throw badInput(field, `${field} must be the cursor of a task.`);
  }
};
