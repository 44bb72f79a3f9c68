import { isWithinReach, ownerOfReach, type Reach } from '../accounts/principal.ts';
import { type Database, Prisma, sqlState } from '../database/client.ts';
import { badInput } from '../errors.ts';
import { type Page, type PageRequest, readPage } from './page.ts';
import { findTaskPage, searchTaskPage } from './task-page-store.ts';
import type { Task } from './task-store.ts';
import { checkId, checkWhere, isSearch, type TaskWhere, toConditions, toReachConditions } from './task-where.ts';

export { checkId } from './task-where.ts';

/** A task without its large parts, which are read when they are asked for. */
export type TaskSummary = Omit<Task, 'payload' | 'result'> & Partial<Pick<Task, 'payload' | 'result'>>;

/** The large parts of a task: up to 256 KiB and 1 MiB. */
export type LargePart = 'payload' | 'result';
export const LARGE_PARTS: readonly LargePart[] = ['payload', 'result'];

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 500;

/**
 * @param reach whose it must be, and of these which; undefined for an admin
 * @param parts which of the large parts shall be read along. Default: all
 * @returns the task, or null where there is none of this owner's
 * @throws TaskFlowError BAD_USER_INPUT when the id is no UUID
 */
export const findTask = async (
  database: Database,
  reach: Reach,
  id: string,
  parts: readonly LargePart[] = LARGE_PARTS,
): Promise<TaskSummary | null> => {
  const omit = { payload: !parts.includes('payload'), result: !parts.includes('result') };
  const task: TaskSummary | null = await database.task.findUnique({ where: { id: checkId(id) }, omit });
  return task && isWithinReach(reach, task) ? task : null;
};

/**
 * A page of tasks, newest first.
 *
 * @param reach whose, and of these which; undefined for an admin: everybody's
 * @throws TaskFlowError BAD_USER_INPUT for a page of more than 500, a malformed cursor, a faulty filter, or one that leaves too
 * many tasks to look at for the time that a statement has
 */
export const findTasks = async (
  database: Database,
  reach: Reach,
  where: TaskWhere,
  page: PageRequest,
): Promise<Page<TaskSummary>> => {
  const ownerId = ownerOfReach(reach);
  const conditions = [...toConditions(checkWhere(where), ownerId), ...toReachConditions(reach)];
  const find = isSearch(where) ? searchTaskPage : findTaskPage;
  return readPage(page, { initial: DEFAULT_PAGE, max: MAX_PAGE }, async ({ after, before, isBackward, limit }) => {
    if (after !== undefined) conditions.push(Prisma.sql`id < ${after}::uuid`);
    if (before !== undefined) conditions.push(Prisma.sql`id > ${before}::uuid`);
    try {
      return await find(database, { conditions, order: isBackward ? 'oldest first' : 'newest first', limit });
    } catch (error) {
      throw isSearch(where) && sqlState(error) === TIMED_OUT ? tooWide() : error;
    }
  });
};

/** SQLSTATE of a statement that took longer than DATABASE_TIMEOUT_MS. */
const TIMED_OUT = '57014';

const tooWide = () =>
  badInput(
    'where',
    'The search took too long: it has too many tasks to look at. Narrow it by type, queue, tags or time, or ask for smaller pages.',
  );
