import type { Database } from '../database/client.ts';
import { type Page, type PageRequest, readPage } from '../tasks/page.ts';
import { checkId } from '../tasks/task-where.ts';
import { type Flow, findFlowPage, findFlowRow } from './flow-store.ts';

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
