import type { ApiKeyScope } from '../database/generated/client/client.ts';

export type { ApiKeyScope };

/** Who is asking, as the credentials of a request say. */
export interface Principal {
  userId: string;
  /** What the credentials allow; a login allows everything. */
  scopes: 'all' | ReadonlySet<ApiKeyScope>;
  /** The API key that was used, if it was one. */
  apiKeyId?: string;
}

export const hasScope = ({ scopes }: Principal, scope: ApiKeyScope): boolean => scopes === 'all' || scopes.has(scope);

/**
 * Whose tasks the principal may see and change: `undefined` stands for everybody's, and use cases take it so. Every user
 * is an ordinary one, so it is always the user's own id.
 */
export const reachOf = (principal: Principal): string | undefined => principal.userId;
