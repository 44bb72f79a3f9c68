import type { Logger } from 'pino';
import type { Attempt } from './attempt.ts';
import type { ParentOutcome, TaskContext } from './define-task.ts';
import type { SideReporter } from './side-reporter.ts';

/** What a handler sees of its attempt. Signal and logger are made when a handler first asks for them. */
export class AttemptContext<Payload> implements TaskContext<Payload> {
  readonly payload: Payload;
  readonly #attempt: Attempt;
  readonly #parentLogger: Logger;
  #logger: Logger | undefined;
  #parents: Record<string, ParentOutcome> | undefined;

  readonly #side: SideReporter;

  constructor(attempt: Attempt, payload: Payload, logger: Logger, side: SideReporter) {
    this.payload = payload;
    this.#attempt = attempt;
    this.#parentLogger = logger;
    this.#side = side;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get taskId(): string {
    return this.#attempt.claim.id;
  }

  get attempt(): number {
    return this.#attempt.claim.attempt;
  }

  get maxAttempts(): number {
    return this.#attempt.claim.maxAttempts;
  }

  get ownerId(): string {
    return this.#attempt.claim.ownerId;
  }

  get queue(): string {
    return this.#attempt.claim.queue;
  }

  get traceparent(): string | undefined {
    return this.#attempt.traceparent;
  }

  get parents(): Readonly<Record<string, ParentOutcome>> {
    const { parents } = this.#attempt.claim;
    this.#parents ??= parents === '' ? {} : (JSON.parse(parents) as Record<string, ParentOutcome>);
    return this.#parents;
  }

  get logger(): Logger {
    const { id, type, attempt, traceparent } = this.#attempt.claim;
    this.#logger ??= this.#parentLogger.child({ taskId: id, type, attempt, ...traceBindings(traceparent) });
    return this.#logger;
  }

  // Functions and not methods: handlers take them out of their context, `({ payload, progress }) => …`.
  get progress(): TaskContext<Payload>['progress'] {
    return (percent, detail) => this.#side.progress(this.#attempt, percent, detail);
  }

  get log(): TaskContext<Payload>['log'] {
    return (level, message, fields) => this.#side.log(this.#attempt, level, message, fields);
  }
}

/** Names the trace in a line of the log, as OpenTelemetry's data model for logs does. */
export const traceBindings = (traceparent: string | undefined): { trace_id?: string } => {
  const traceId = traceparent?.split('-')[1];
  return traceId === undefined ? {} : { trace_id: traceId };
};
