import type { ApiKeyScope } from '../database/generated/client/client.ts';
import { TaskFlowError } from '../errors.ts';

export type { ApiKeyScope };

/** Tasks of one owner that a watch token shows: those with one of these ids, and those that have all of these tags. */
export interface WatchedTasks {
  ownerId: string;
  taskIds: readonly string[];
  /** Empty: none by their tags. */
  tags: readonly string[];
}

/** Who is asking, as the credentials of a request say. */
export interface Principal {
  userId: string;
  /** What the credentials allow; a login allows everything, a watch token none of the scopes. */
  scopes: 'all' | ReadonlySet<ApiKeyScope>;
  /** The API key that was used, if it was one, or with which the watch token was made. */
  apiKeyId?: string;
  /** Requests in an hour that the API key allows, where it has a limit of its own. */
  rateLimitPerHour?: number;
  /** The login of an admin. API keys of admins reach what any other user's do. */
  isAdmin: boolean;
  /** The version of the user's tokens at the time of the login. Undefined for what an API key stands behind. */
  tokenVersion?: number;
  /** With a login: when the password was given, in seconds since 1970. */
  loggedInAt?: number;
  /** With a login that is kept: which one it is. */
  sessionId?: string;
  /** When the credentials run out, in ms since 1970; Infinity for never. */
  expiresAtMs: number;
  /** With a watch token: the only tasks that may be read. */
  watched?: WatchedTasks;
}

/** Scopes that count only while the key's owner is an admin: queues are shared by all owners, and so are workers. */
export const ADMINS_SCOPES: ReadonlySet<ApiKeyScope> = new Set(['QUEUES_ADMIN', 'WORKER']);

export const hasScope = ({ scopes }: Principal, scope: ApiKeyScope): boolean => scopes === 'all' || scopes.has(scope);

/**
 * For what concerns all owners: a login must be an admin's. What an API key needs, its scopes say.
 *
 * @param scope that API keys need for it, one of ADMINS_SCOPES; named in the error
 * @throws TaskFlowError FORBIDDEN for the login of anybody else
 */
export const requireAdminsLogin = (principal: Principal, scope: ApiKeyScope): void => {
  if (isLogin(principal) && !principal.isAdmin) {
    throw new TaskFlowError('FORBIDDEN', `This takes an admin, or an API key with the scope ${scope}.`);
  }
};

/** @throws TaskFlowError FORBIDDEN for everybody but the login of an admin */
export const requireAdmin = ({ isAdmin }: Principal): void => {
  if (!isAdmin) throw new TaskFlowError('FORBIDDEN', ADMINS_ONLY);
};

export const ADMINS_ONLY = 'This takes the login of an admin.';

/** Is it somebody with their password, and not a program with a key or a browser with a watch token? */
export const isLogin = ({ scopes }: Principal): boolean => scopes === 'all';

/** May these credentials read tasks, all or some? `readingReachOf` says which. */
export const mayRead = (principal: Principal): boolean =>
  principal.watched !== undefined || hasScope(principal, 'TASKS_READ');

/**
 * Whose tasks the principal may see and change: an owner's, or with `undefined` everybody's, which is for admins only.
 *
 * @throws TaskFlowError FORBIDDEN for a watch token: what asks here is not made for them
 */
export const reachOf = (principal: Principal): string | undefined => {
  if (principal.watched) throw watchersForbidden();
  return principal.isAdmin ? undefined : principal.userId;
};

/** What may be read: everybody's tasks (`undefined`), an owner's, or some of an owner's. */
export type Reach = string | undefined | WatchedTasks;

/** As `reachOf`, for reading and watching, where watch tokens are let in. Use cases pass it to `isWithinReach`. */
export const readingReachOf = (principal: Principal): Reach => principal.watched ?? reachOf(principal);

/**
 * What may be read of one owner's tasks: of one's own whatever `readingReachOf` says, of others' all, with the login of an admin.
 *
 * @param ownerId a UUID
 * @throws TaskFlowError FORBIDDEN for others' without the login of an admin
 */
export const readingReachOfOwner = (principal: Principal, ownerId: string): string | WatchedTasks => {
  if (ownerId === principal.userId) return principal.watched ?? ownerId;
  requireAdmin(principal);
  return ownerId;
};

/** Whose tasks a reach has; undefined for everybody's. */
export const ownerOfReach = (reach: Reach): string | undefined => (typeof reach === 'object' ? reach.ownerId : reach);

export const isWithinReach = (
  reach: Reach,
  task: { id: string; ownerId: string; tags: readonly string[] },
): boolean => {
  if (reach === undefined) return true;
  if (typeof reach === 'string') return task.ownerId === reach;
  return task.ownerId === reach.ownerId && isWatched(reach, task);
};

/** Is a task of this owner one of those that may be watched? */
export const isWatched = ({ taskIds, tags }: WatchedTasks, task: { id: string; tags: readonly string[] }): boolean =>
  taskIds.includes(task.id) || (tags.length > 0 && tags.every((tag) => task.tags.includes(tag)));

export const watchersForbidden = (): TaskFlowError =>
  new TaskFlowError('FORBIDDEN', 'A watch token only reads and watches the tasks that it was made for.');
