import type { Database } from '../database/client.ts';
import { checkId } from '../tasks/find-tasks.ts';
import { type Page, type PageRequest, readPage } from '../tasks/page.ts';
import { findOperationPage, findOperationRow, type Operation } from './operation-store.ts';

export const OPERATION_PAGE = { initial: 50, max: 500 } as const;

/**
 * Whose an operation is: theirs whose tasks it concerns. Purged queues are everybody's; such an operation is also theirs who
 * asked for it.
 */
const isWithinReach = (reach: string | undefined, { ownerId, actorId, kind }: Operation): boolean =>
  reach === undefined || ownerId === reach || (kind === 'PURGE' && actorId === reach);

/**
 * @param reach whose it must be; undefined for an admin
 * @returns null where there is none of theirs
 * @throws TaskFlowError BAD_USER_INPUT when the id is no UUID
 */
export const findOperation = async (
  database: Database,
  reach: string | undefined,
  id: string,
): Promise<Operation | null> => {
  const operation = await findOperationRow(database, checkId(id));
  return operation && isWithinReach(reach, operation) ? operation : null;
};

/** A page of operations, newest first. @throws TaskFlowError BAD_USER_INPUT for a malformed or too large page */
export const findOperations = (
  database: Database,
  reach: string | undefined,
  page: PageRequest,
): Promise<Page<Operation>> => readPage(page, OPERATION_PAGE, (span) => findOperationPage(database, reach, span));
