import { z } from 'zod';
import { TaskFlowError } from '../errors.ts';
import type { Principal } from './principal.ts';

/** Credentials that no longer count: an API key, all older tokens of a user, or whatever an account had. */
const RevocationSchema = z.discriminatedUnion('what', [
  z.object({ what: z.literal('key'), apiKeyId: z.string() }),
  z.object({ what: z.literal('tokens'), userId: z.string(), before: z.number() }),
  z.object({ what: z.literal('account'), userId: z.string() }),
]);

/** `before` is the version from which on tokens count again. */
export type Revocation = z.infer<typeof RevocationSchema>;

export const encodeRevocation = (revocation: Revocation): string => JSON.stringify(revocation);

/** @throws ZodError or SyntaxError for what is no revocation */
export const decodeRevocation = (message: string): Revocation => RevocationSchema.parse(JSON.parse(message));

export const isRevokedBy = (revocation: Revocation, { userId, apiKeyId, tokenVersion }: Principal): boolean => {
  if (revocation.what === 'key') return apiKeyId === revocation.apiKeyId;
  if (userId !== revocation.userId) return false;
  return revocation.what === 'account' || (tokenVersion !== undefined && tokenVersion < revocation.before);
};

export const credentialsEnded = (): TaskFlowError =>
  new TaskFlowError('UNAUTHENTICATED', 'The credentials have expired or were revoked.');
