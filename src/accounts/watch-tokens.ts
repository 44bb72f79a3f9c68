import { z } from 'zod';
import type { IssuedToken } from './access-tokens.ts';
import type { AccountServices } from './account-services.ts';
import type { Principal } from './principal.ts';

/** A token must fit into a header: 100 ids and 20 tags make 9 kB at most. */
const MAX_TASK_IDS = 100;
const MAX_TAGS = 20;
const MAX_TAG_LENGTH = 100;
export const WATCH_MINUTES = { initial: 60, max: 24 * 60 } as const;

export const CreateWatchTokenSchema = z
  .object({
    taskIds: z
      .array(z.uuid('must be a UUID').toLowerCase())
      .max(MAX_TASK_IDS, `must have at most ${MAX_TASK_IDS}`)
      .nullish(),
    tags: z
      .array(
        z
          .string()
          .min(1, 'must not be empty')
          .max(MAX_TAG_LENGTH, `must have at most ${MAX_TAG_LENGTH} characters`)
          .refine((tag) => !tag.includes('\0'), 'must not contain NUL'),
      )
      .max(MAX_TAGS, `must have at most ${MAX_TAGS}`)
      .nullish(),
    expiresInMinutes: z
      .number()
      .int()
      .min(1, 'must be at least 1')
      .max(WATCH_MINUTES.max, `must be at most ${WATCH_MINUTES.max}`)
      .nullish(),
  })
  .refine(({ taskIds, tags }) => (taskIds?.length ?? 0) + (tags?.length ?? 0) > 0, {
    message: 'must name a task or a tag',
    path: ['taskIds'],
  });

export type CreateWatchTokenInput = z.output<typeof CreateWatchTokenSchema>;

/**
 * Makes a short-lived token for a browser, with which it can read and watch some of the caller's tasks: those with one of
 * these ids, and those that have all of these tags, also future ones. It ends with what it was made with: the API key, or the
 * password of the login.
 *
 * @param input as it comes out of `CreateWatchTokenSchema`; it expires after an hour by default
 */
export const createWatchToken = (
  { tokens }: AccountServices,
  { userId, tokenVersion, apiKeyId }: Principal,
  { taskIds, tags, expiresInMinutes }: CreateWatchTokenInput,
): Promise<IssuedToken> =>
  tokens.issueForWatching(
    { userId, tokenVersion, apiKeyId, taskIds: [...new Set(taskIds)], tags: [...new Set(tags)] },
    expiresInMinutes ?? WATCH_MINUTES.initial,
  );
