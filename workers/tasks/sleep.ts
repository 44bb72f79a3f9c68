import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { defineTask } from '../runtime/define-task.ts';

const MAX_MS = 60 * 60 * 1_000;
const MAX_STEPS = 1_000;

const Payload = z.object({
  ms: z.number().int().min(0).max(MAX_MS).describe('How long to sleep, in ms'),
  steps: z.number().int().min(1).max(MAX_STEPS).default(1).describe('In how many pieces'),
});

/** Sleeps, in pieces of the same length, says after each how far it is, and stops at once when it is told to. */
export const sleep = defineTask({
  type: 'sleep',
  payload: Payload,
  handler: async (context) => {
    const { ms, steps } = context.payload;
    for (let step = 1; step <= steps; step++) {
      await wait(ms / steps, undefined, { signal: context.signal });
      context.progress((step / steps) * 100, { step, steps });
    }
    return { ms };
  },
});
