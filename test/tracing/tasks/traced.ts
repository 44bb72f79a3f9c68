import { trace } from '@opentelemetry/api';
import { defineTask } from '../../../workers/sdk/index.ts';

const told = (context: { traceparent: string | undefined }) => ({
  traceparent: context.traceparent ?? null,
  active: trace.getActiveSpan()?.spanContext().spanId ?? null,
});

/** Makes a span of its own, as a child of the active one. */
export const traced = defineTask({
  type: 'traced',
  handler: async (context) =>
    trace.getTracer('test').startActiveSpan('of the handler', async (span) => {
      await Promise.resolve();
      const own = told(context);
      span.end();
      return { ...own, own: span.spanContext().spanId };
    }),
});

export const isolated = defineTask({ type: 'traced.isolated', isolate: import.meta.url, handler: told });

export const failing = defineTask({
  type: 'traced.failing',
  handler: () => {
    throw Object.assign(new Error('the secret of a payload'), { code: 'ETEST' });
  },
});
