import { z } from 'zod';
import { defineTask } from '../runtime/define-task.ts';

const Payload = z.object({
  message: z.string().max(1_000).describe('What it fails with'),
  untilAttempt: z.number().int().min(1).optional().describe('From this attempt on it succeeds. Default: it never does'),
});

/** Fails, so that retries and dead letters can be tried out. */
export const fail = defineTask({
  type: 'fail',
  payload: Payload,
  handler: ({ payload: { message, untilAttempt }, attempt }) => {
    if (untilAttempt === undefined || attempt < untilAttempt) throw new Error(message);
    return { attempt };
  },
});
