import { DoNotRetryError, defineTask } from 'taskflow/worker';
import { z } from 'zod';

/** What a shop's client and worker share. */
export const order = defineTask({
  type: 'order',
  payload: z.object({ items: z.array(z.string()).min(1), note: z.string().default('none') }),
  result: z.object({ count: z.number(), note: z.string() }),
  retry: { maxAttempts: 5, backoff: { kind: 'FIXED', delayMs: 10 } },
  timeoutMs: 20_000,
  handler: ({ payload }) => ({ count: payload.items.length, note: payload.note }),
});

/** Adds up what orders before it counted, where they went well. */
export const sum = defineTask({
  type: 'sum',
  result: z.number(),
  handler: ({ parents }) =>
    Object.values(parents).reduce((total, { status, result }) => {
      return status === 'COMPLETED' ? total + (result as { count: number }).count : total;
    }, 0),
});

export const refuse = defineTask({
  type: 'refuse',
  handler: () => {
    throw new DoNotRetryError('out of stock', { code: 'OUT_OF_STOCK' });
  },
});
