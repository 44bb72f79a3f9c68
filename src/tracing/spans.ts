import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { batchRecorded, tasksClaimed } from '../diagnostics.ts';
import type { AttemptSpan, TracedTask, Tracing } from './tracing.ts';

/** Names as OpenTelemetry's semantic conventions for messaging have them: tasks are messages, queues their destinations. */
const SYSTEM = { 'messaging.system': 'taskflow' } as const;

const ENDED = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);

const SERVER_ERROR = 500;

type Operation = 'submit' | 'claim' | 'run' | 'record';

const OPERATION_TYPES = { submit: 'send', claim: 'receive', run: 'process', record: 'settle' } as const;
const KINDS = {
  submit: SpanKind.PRODUCER,
  claim: SpanKind.CLIENT,
  run: SpanKind.CONSUMER,
  record: SpanKind.CLIENT,
} as const;

/** The spans of TaskFlow: of requests, submissions, claims, attempts, and of the recording of how tasks ended. */
export class Spans implements Tracing {
  readonly #tracer: Tracer;
  readonly close: () => Promise<void>;

  /** @param close sends what is left */
  constructor(tracer: Tracer, close: () => Promise<void>) {
    this.#tracer = tracer;
    this.close = close;
    tasksClaimed.subscribe(({ claims, workerId, durationMs }) => {
      for (const task of claims) if (task.traceparent) this.#claim(task, workerId, durationMs);
    });
    batchRecorded.subscribe(({ transitions }) => {
      for (const { taskId, traceparent, queue, type, status, attempt, atMs } of transitions) {
        if (traceparent && ENDED.has(status))
          this.#record({ id: taskId, queue, type, traceparent }, status, attempt, atMs);
      }
    });
  }

  serve(request: IncomingMessage, response: ServerResponse, route: string, work: () => void): void {
    const { method = '' } = request;
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const attributes = { 'http.request.method': method, 'http.route': route, 'url.path': route };
    const span = this.#tracer.startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent);
    response.once('close', () => {
      span.setAttribute('http.response.status_code', response.statusCode);
      if (response.statusCode >= SERVER_ERROR) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    });
    context.with(trace.setSpan(parent, span), work);
  }

  describeOperation(type: string, name: string | undefined): void {
    const attributes = {
      'graphql.operation.type': type,
      ...(name === undefined ? {} : { 'graphql.operation.name': name }),
    };
    trace.getActiveSpan()?.setAttributes(attributes);
  }

  async submit<T>(queues: readonly string[], work: () => Promise<T>): Promise<T> {
    const distinct = new Set(queues);
    const queue = distinct.size === 1 ? queues[0] : undefined;
    const span = this.#start('submit', queue, context.active());
    span.setAttribute('messaging.batch.message_count', queues.length);
    try {
      return await context.with(trace.setSpan(context.active(), span), work);
    } catch (error) {
      fail(span, codeOf(error));
      throw error;
    } finally {
      span.end();
    }
  }

  activeTraceparent(): string | null {
    const spanContext = trace.getActiveSpan()?.spanContext();
    if (!spanContext || !isSpanContextValid(spanContext)) return null;
    // A trace that is not kept needs no more spans, and its tasks no room for it.
    if ((spanContext.traceFlags & TraceFlags.SAMPLED) === 0) return null;
    return toTraceparent(spanContext.traceId, spanContext.spanId);
  }

  startAttempt(task: TracedTask & { traceparent: string }, attempt: number, workerId: string): AttemptSpan {
    const parent = toContext(task.traceparent);
    const span = this.#start('run', task.queue, parent, {
      ...describe(task),
      'messaging.client.id': workerId,
      'taskflow.task.attempt': attempt,
    });
    const own = trace.setSpan(parent, span);
    const { traceId, spanId } = span.spanContext();
    return {
      traceparent: toTraceparent(traceId, spanId),
      traceId,
      run: (work) => context.with(own, work),
      end: (outcome, code) => {
        span.setAttribute('taskflow.task.outcome', outcome);
        if (code !== undefined) fail(span, code);
        span.end();
      },
    };
  }

  #claim(task: TracedTask, workerId: string, durationMs: number): void {
    const startTime = Date.now() - durationMs;
    const attributes = { ...describe(task), 'messaging.client.id': workerId };
    this.#start('claim', task.queue, toContext(task.traceparent ?? ''), attributes, startTime).end();
  }

  /** From the transition, by Redis' clock, until PostgreSQL had it. */
  #record(task: TracedTask, status: string, attempt: number, atMs: number): void {
    const attributes = { ...describe(task), 'taskflow.task.status': status, 'taskflow.task.attempt': attempt };
    const now = Date.now();
    const parent = toContext(task.traceparent ?? '');
    this.#start('record', task.queue, parent, attributes, Math.min(atMs, now)).end(now);
  }

  #start(
    operation: Operation,
    queue: string | undefined,
    parent: Context,
    attributes: Attributes = {},
    startTime?: number,
  ): Span {
    const name = queue === undefined ? operation : `${operation} ${queue}`;
    const all: Attributes = {
      ...SYSTEM,
      'messaging.operation.name': operation,
      'messaging.operation.type': OPERATION_TYPES[operation],
      ...(queue === undefined ? {} : { 'messaging.destination.name': queue }),
      ...attributes,
    };
    const options = { kind: KINDS[operation], attributes: all, ...(startTime === undefined ? {} : { startTime }) };
    return this.#tracer.startSpan(name, options, parent);
  }
}

const describe = ({ id, type }: TracedTask): Attributes => ({ 'messaging.message.id': id, 'taskflow.task.type': type });

const toTraceparent = (traceId: string, spanId: string): string => `00-${traceId}-${spanId}-01`;

const toContext = (traceparent: string): Context => propagation.extract(ROOT_CONTEXT, { traceparent });

/** Only the code: messages may hold what users sent. */
const fail = (span: Span, code: string): void => {
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR });
};

const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'Error');
};
