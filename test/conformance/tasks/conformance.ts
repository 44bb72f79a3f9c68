import { setTimeout as wait } from 'node:timers/promises';
import { DoNotRetryError, defineTask, RetryAfterError } from 'taskflow/worker';
import { z } from 'zod';

/** The task types of docs/worker-protocol.md that every language has for these tests, in TypeScript. */

class CodedError extends Error {
  readonly code: string | undefined;
  constructor(message: string, code: string | undefined) {
    super(message);
    this.code = code;
  }
}

const error = defineTask({
  type: 'conformance.error',
  payload: z.object({
    message: z.string(),
    code: z.string().optional(),
    retry: z.enum(['default', 'never', 'after']),
    delayMs: z.number().int().min(0).default(0),
  }),
  handler: ({ payload: { message, code, retry, delayMs } }) => {
    const options = code === undefined ? {} : { code };
    if (retry === 'never') throw new DoNotRetryError(message, options);
    if (retry === 'after') throw new RetryAfterError(message, delayMs, options);
    throw new CodedError(message, code);
  },
});

const log = defineTask({
  type: 'conformance.log',
  payload: z.object({
    lines: z.number().int().min(0),
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    message: z.string().default('line'),
    fields: z.record(z.string(), z.unknown()).optional(),
  }),
  handler: (context) => {
    const { lines, level, message, fields } = context.payload;
    for (let n = 1; n <= lines; n++) context.log(level, lines > 1 ? `${message} ${n}` : message, fields);
    return { lines };
  },
});

/** Longer than progress is coalesced. In ms. */
const APART_MS = 150;

const progress = defineTask({
  type: 'conformance.progress',
  payload: z.object({ values: z.array(z.number()), detail: z.unknown().optional() }),
  handler: async (context) => {
    for (const [i, value] of context.payload.values.entries()) {
      if (i > 0) await wait(APART_MS, undefined, { signal: context.signal });
      context.progress(value, context.payload.detail);
    }
    return { reported: context.payload.values.length };
  },
});

const block = defineTask({
  type: 'conformance.block',
  payload: z.object({ ms: z.number().int().min(0) }),
  handler: async ({ payload }) => {
    await wait(payload.ms);
    return 'done';
  },
});

const parents = defineTask({ type: 'conformance.parents', handler: (context) => context.parents });

const context = defineTask({
  type: 'conformance.context',
  handler: ({ taskId, attempt, maxAttempts, queue, ownerId, traceparent = null }) => ({
    taskId,
    attempt,
    maxAttempts,
    queue,
    ownerId,
    traceparent,
  }),
});

const big = defineTask({
  type: 'conformance.big',
  payload: z.object({ bytes: z.number().int().min(0) }),
  handler: ({ payload }) => 'x'.repeat(payload.bytes),
});

export const conformanceTasks = [error, log, progress, block, parents, context, big];
