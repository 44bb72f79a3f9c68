/** Why an attempt failed, as it is kept with the task. */
export interface Failure {
  message: string;
  /** Stable, for programs: TIMEOUT, INVALID_PAYLOAD, or whatever code the handler's error had. */
  code?: string;
  stack?: string;
}

/** How an attempt ended. Every handler ends in one of these, whatever it returned or threw. */
export type Outcome =
  | { kind: 'done'; result: unknown }
  /** Failed; another attempt may help. Without `delayMs` the broker chooses the backoff. */
  | { kind: 'retry'; failure: Failure; delayMs?: number }
  /** Failed, and another attempt would fail as well. */
  | { kind: 'dead-letter'; failure: Failure }
  /** Handed back unfinished; no attempt is used up. */
  | { kind: 'released' };

export interface TaskErrorOptions extends ErrorOptions {
  /** Stable, for programs. Default: none. */
  code?: string;
}

/** Thrown by a handler whose task would fail again: the task ends at once as a dead letter. */
export class DoNotRetryError extends Error {
  override name = 'DoNotRetryError';
  readonly code: string | undefined;

  constructor(message: string, { code, ...options }: TaskErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/** Thrown by a handler that knows when trying again makes sense, for instance from a Retry-After header. */
export class RetryAfterError extends Error {
  override name = 'RetryAfterError';
  readonly delayMs: number;
  readonly code: string | undefined;

  /** @param delayMs until the next attempt, at least; negative and fractional values are rounded to what the broker takes */
  constructor(message: string, delayMs: number, { code, ...options }: TaskErrorOptions = {}) {
    super(message, options);
    this.delayMs = Number.isFinite(delayMs) ? Math.max(0, Math.ceil(delayMs)) : 0;
    this.code = code;
  }
}

/** Thrown where a handler ran in a thread and failed there: what it threw has become an outcome already. */
export class ThreadOutcome extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(`the handler failed in its thread: ${outcome.kind}`);
    this.outcome = outcome;
  }
}

/** Errors travel through Redis and stay in the audit trail: a message of megabytes must not. In UTF-16 units. */
const MAX_MESSAGE_LENGTH = 4_000;
const MAX_STACK_LENGTH = 8_000;
const MAX_CODE_LENGTH = 100;

const shorten = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text;

const codeOf = (error: Error): string | undefined => {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' || typeof code === 'number' ? shorten(String(code), MAX_CODE_LENGTH) : undefined;
};

/** @param thrown whatever a handler threw; not all of it is an Error */
export const toFailure = (thrown: unknown): Failure => {
  if (!(thrown instanceof Error)) return { message: shorten(describe(thrown), MAX_MESSAGE_LENGTH) };
  const failure: Failure = { message: shorten(String(thrown.message) || thrown.name, MAX_MESSAGE_LENGTH) };
  const code = codeOf(thrown);
  if (code !== undefined) failure.code = code;
  if (typeof thrown.stack === 'string') failure.stack = shorten(thrown.stack, MAX_STACK_LENGTH);
  return failure;
};

const describe = (thrown: unknown): string => {
  if (typeof thrown !== 'object' || thrown === null) return String(thrown);
  try {
    return JSON.stringify(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
};

/** The outcome that a thrown error stands for. */
export const outcomeOfError = (thrown: unknown): Outcome => {
  if (thrown instanceof ThreadOutcome) return thrown.outcome;
  const failure = toFailure(thrown);
  if (thrown instanceof DoNotRetryError) return { kind: 'dead-letter', failure };
  if (thrown instanceof RetryAfterError) return { kind: 'retry', failure, delayMs: thrown.delayMs };
  return { kind: 'retry', failure };
};
