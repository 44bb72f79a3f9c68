import { type Principal, readingReachOfOwner, type WatchedTasks } from '../accounts/principal.ts';
import { checkId } from '../tasks/find-tasks.ts';
import type { TaskWhere } from '../tasks/task-where.ts';

/** A filter as clients give it: whose tasks are meant is not part of it, but decides what they may see. */
export interface OwnedWhere extends TaskWhere {
  ownerId?: string | null | undefined;
}

/**
 * What may be read of the owner whom an argument names.
 *
 * @param field of the argument, for errors
 * @returns undefined where it names none
 * @throws TaskFlowError BAD_USER_INPUT when it is no UUID; FORBIDDEN for another owner without the login of an admin
 */
export const wantedReach = (
  principal: Principal,
  ownerId: string | null | undefined,
  field: string,
): string | WatchedTasks | undefined =>
  ownerId === null || ownerId === undefined ? undefined : readingReachOfOwner(principal, checkId(ownerId, field));

/** As `wantedReach`, for a filter; with what it says besides. */
export const splitWhere = (principal: Principal, filter: OwnedWhere | null | undefined) => {
  const { ownerId, ...where } = filter ?? {};
  return { where, wanted: wantedReach(principal, ownerId, 'where.ownerId') };
};
