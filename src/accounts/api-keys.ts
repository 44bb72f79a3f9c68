import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import { type ApiKey, insertApiKey, markRevoked } from './account-store.ts';
import { makeSecret } from './api-key-secret.ts';
import type { Authenticator } from './authenticate.ts';
import type { ApiKeyScope } from './principal.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const MAX_NAME_LENGTH = 100;
export const API_KEY_SCOPES = [
  'TASKS_READ',
  'TASKS_WRITE',
  'QUEUES_ADMIN',
  'KEYS_ADMIN',
  'WORKER',
] as const satisfies readonly ApiKeyScope[];
export const DEFAULT_SCOPES: readonly ApiKeyScope[] = ['TASKS_READ', 'TASKS_WRITE'];
export const EXPIRES_IN_DAYS = { initial: 30, max: 365 } as const;

export const CreateApiKeySchema = z.object({
  name: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(MAX_NAME_LENGTH, `must have at most ${MAX_NAME_LENGTH} characters`)
    .refine((name) => !name.includes('\0'), 'must not contain NUL'),
  scopes: z.array(z.enum(API_KEY_SCOPES)).min(1, 'must name at least one scope').nullish(),
  expiresInDays: z
    .number()
    .int()
    .min(1, 'must be at least 1')
    .max(EXPIRES_IN_DAYS.max, `must be at most ${EXPIRES_IN_DAYS.max}`)
    .nullish(),
});

export type CreateApiKeyInput = z.output<typeof CreateApiKeySchema>;

export interface CreatedApiKey {
  secret: string;
  apiKey: ApiKey;
}

/**
 * Makes an API key. Its secret is in the answer and nowhere else, ever.
 *
 * @param input as it comes out of `CreateApiKeySchema`; scopes default to reading and writing tasks, expiry to 30 days
 */
export const createApiKey = async (
  database: Database,
  userId: string,
  input: CreateApiKeyInput,
): Promise<CreatedApiKey> => {
  const { secret, prefix, hash } = makeSecret();
  const expiresAt = new Date(Date.now() + (input.expiresInDays ?? EXPIRES_IN_DAYS.initial) * DAY_MS);
  const scopes = [...new Set(input.scopes ?? DEFAULT_SCOPES)];
  const apiKey = await insertApiKey(database, {
    id: uuidv7(),
    userId,
    name: input.name,
    prefix,
    secretHash: hash,
    scopes,
    expiresAt,
  });
  return { secret, apiKey };
};

/**
 * Revokes an API key: at once on this node, within a second on others. Doing it again changes nothing.
 *
 * @throws TaskFlowError NOT_FOUND where the user has no such key
 */
export const revokeApiKey = async (
  database: Database,
  authenticator: Authenticator,
  userId: string,
  id: string,
): Promise<ApiKey> => {
  const apiKey = await markRevoked(database, userId, id);
  if (!apiKey) throw new TaskFlowError('NOT_FOUND', `You have no API key ${id}.`);
  authenticator.forget(apiKey.id);
  return apiKey;
};
