import type { IncomingMessage, ServerResponse } from 'node:http';

/** What a span says of a task. Never its payload or result. */
export interface TracedTask {
  id: string;
  queue: string;
  type: string;
  /** W3C Trace Context of its submission. */
  traceparent?: string | null | undefined;
}

/** The run of one attempt, as a span. */
export interface AttemptSpan {
  /** Of this span: what the attempt does elsewhere continues from here. */
  readonly traceparent: string;
  readonly traceId: string;
  /** Runs the handler with this span as the active one, so that spans of its own are children of it. */
  run<T>(work: () => T): T;
  /** @param code why it failed, as the failure has it; undefined for one that did not */
  end(outcome: string, code?: string): void;
}

/** Makes spans. There is one for the process while traces are collected, and none otherwise: then nothing is loaded for it. */
export interface Tracing {
  /** Runs `work` within the span of an HTTP request, a child of the one that its `traceparent` names. It ends with the response. */
  serve(request: IncomingMessage, response: ServerResponse, route: string, work: () => void): void;
  /** What the request of the active span asks for. */
  describeOperation(type: string, name: string | undefined): void;
  /** Runs a submission within a span. Tasks that are made in it belong to it. */
  submit<T>(queues: readonly string[], work: () => Promise<T>): Promise<T>;
  /** Of the active span, where that is kept. */
  activeTraceparent(): string | null;
  startAttempt(task: TracedTask & { traceparent: string }, attempt: number, workerId: string): AttemptSpan;
  /** Sends what is left, but does not wait for ever. */
  close(): Promise<void>;
}

let current: Tracing | undefined;

/** Undefined where nobody collects traces. */
export const getTracing = (): Tracing | undefined => current;

/** For the start of a process. */
export const setTracing = (tracing: Tracing | undefined): void => {
  current = tracing;
};

/** Runs a submission within a span, where traces are collected. Tasks that are made in it belong to it. */
export const traceSubmission = <T>(tasks: readonly { queue: string }[], work: () => Promise<T>): Promise<T> =>
  current
    ? current.submit(
        tasks.map(({ queue }) => queue),
        work,
      )
    : work();
