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

export const refuse = defineTask({
  type: 'refuse',
  handler: () => {
    throw new DoNotRetryError('out of stock', { code: 'OUT_OF_STOCK' });
  },
});
