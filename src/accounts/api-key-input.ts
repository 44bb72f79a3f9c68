import { z } from 'zod';
import type { ApiKeyScope } from './principal.ts';

const MAX_NAME_LENGTH = 100;
export const API_KEY_SCOPES = [
  'TASKS_READ',
  'TASKS_WRITE',
  'QUEUES_ADMIN',
  'KEYS_ADMIN',
  'WORKER',
] as const satisfies readonly ApiKeyScope[];
export const DEFAULT_SCOPES: readonly ApiKeyScope[] = ['TASKS_READ', 'TASKS_WRITE'];
/** 0 stands for never. */
export const EXPIRES_IN_DAYS = { initial: 30, max: 365, never: 0 } as const;
const MAX_RATE_LIMIT = 1_000_000_000;
/** How long a key may go on beside the one that replaces it: seven days. */
export const MAX_OVERLAP_MINUTES = 7 * 24 * 60;

const wholeNumber = (min: number, max: number) =>
  z.number().int().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`);

export const CreateApiKeySchema = z.object({
  name: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(MAX_NAME_LENGTH, `must have at most ${MAX_NAME_LENGTH} characters`)
    .refine((name) => !name.includes('\0'), 'must not contain NUL'),
  scopes: z.array(z.enum(API_KEY_SCOPES)).min(1, 'must name at least one scope').nullish(),
  expiresInDays: wholeNumber(EXPIRES_IN_DAYS.never, EXPIRES_IN_DAYS.max).nullish(),
  rateLimitPerHour: wholeNumber(1, MAX_RATE_LIMIT).nullish(),
});

export type CreateApiKeyInput = z.output<typeof CreateApiKeySchema>;
