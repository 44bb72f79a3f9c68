import { z } from 'zod';
import { TaskFlowError } from '../errors.ts';
import type { Principal } from './principal.ts';

/**
 * Credentials that no longer count: an API key, a login, all older tokens of a user, whatever a locked user has, or whatever
 * an account had.
 */
const RevocationSchema = z.discriminatedUnion('what', [
  z.object({ what: z.literal('key'), apiKeyId: z.string() }),
  z.object({ what: z.literal('session'), sessionId: z.string() }),
  z.object({ what: z.literal('tokens'), userId: z.string(), before: z.number() }),
  z.object({ what: z.literal('lock'), userId: z.string() }),
  z.object({ what: z.literal('account'), userId: z.string() }),
]);

/** `before` is the version from which on tokens count again. */
export type Revocation = z.infer<typeof RevocationSchema>;

export const encodeRevocation = (revocation: Revocation): string => JSON.stringify(revocation);

/** @throws ZodError or SyntaxError for what is no revocation */
export const decodeRevocation = (message: string): Revocation => RevocationSchema.parse(JSON.parse(message));

export const isRevokedBy = (
  revocation: Revocation,
  { userId, apiKeyId, sessionId, tokenVersion }: Principal,
): boolean => {
  if (revocation.what === 'key') return apiKeyId === revocation.apiKeyId;
  if (revocation.what === 'session') return sessionId === revocation.sessionId;
  if (userId !== revocation.userId) return false;
  return revocation.what !== 'tokens' || (tokenVersion !== undefined && tokenVersion < revocation.before);
};

/** The id of the key, login or user that it speaks of. */
export const subjectOf = (revocation: Revocation): string => {
  if (revocation.what === 'key') return revocation.apiKeyId;
  return revocation.what === 'session' ? revocation.sessionId : revocation.userId;
};

export const credentialsEnded = (): TaskFlowError =>
  new TaskFlowError('UNAUTHENTICATED', 'The credentials have expired or were revoked.');
