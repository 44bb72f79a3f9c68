import type { Database } from '../database/client.ts';
import { badInput } from '../errors.ts';
import { DEFAULT_PAGE, MAX_PAGE } from '../tasks/find-tasks.ts';
import { type Page, type PageRequest, pageSize, readPage } from '../tasks/page.ts';
import { checkId } from '../tasks/task-where.ts';
import { type Flow, type FlowTask, findFlowPage, findFlowRow } from './flow-store.ts';

export const FLOW_PAGE = { initial: 20, max: 100 } as const;

/**
 * @param ownerId whose it must be; undefined for an admin
 * @returns the flow, or null where there is none of this owner's
 * @throws TaskFlowError BAD_USER_INPUT when the id is no UUID
 */
export const findFlow = (database: Database, ownerId: string | undefined, id: string): Promise<Flow | null> =>
  findFlowRow(database, ownerId, checkId(id));

/**
 * A page of flows, newest first.
 *
 * @param ownerId whose; undefined for an admin: everybody's
 * @throws TaskFlowError BAD_USER_INPUT for a page that is too large, or a malformed cursor
 */
export const findFlows = (database: Database, ownerId: string | undefined, page: PageRequest): Promise<Page<Flow>> =>
  readPage(page, FLOW_PAGE, (span) => findFlowPage(database, ownerId, span));

/** The cursor of a task among those of its flow: its place, which stays when others are deleted. */
export const cursorOfFlowTask = ({ place }: FlowTask): string => String(place);

/**
 * A page of a flow's tasks, in the order in which they were submitted.
 *
 * @param tasks all of them: at most 1,000 names
 * @throws TaskFlowError BAD_USER_INPUT for a page that is too large, or a malformed cursor
 */
export const pageOfFlowTasks = (tasks: readonly FlowTask[], page: PageRequest): Page<FlowTask> => {
  const size = pageSize(page, { initial: DEFAULT_PAGE, max: MAX_PAGE });
  const after = placeOf(page.after, 'after');
  const before = placeOf(page.before, 'before');
  const within = tasks.filter(({ place }) => place > (after ?? -1) && place < (before ?? Number.POSITIVE_INFINITY));
  const hasMore = within.length > size;
  if (typeof page.last === 'number') {
    const nodes = within.slice(Math.max(0, within.length - size));
    return { nodes, hasNextPage: before !== undefined, hasPreviousPage: hasMore };
  }
  return { nodes: within.slice(0, size), hasNextPage: hasMore, hasPreviousPage: after !== undefined };
};

const placeOf = (cursor: string | null | undefined, field: string): number | undefined => {
  if (!cursor) return undefined;
  if (!/^\d{1,9}$/.test(cursor)) throw badInput(field, `${field} must be a cursor of this connection.`);
  return Number(cursor);
};
