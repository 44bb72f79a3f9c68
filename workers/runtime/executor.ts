import type { Logger } from 'pino';
import type { Claim } from '../../src/broker/calls.ts';
import { type AttemptEnd, attemptEnded } from '../../src/diagnostics.ts';
import { type AttemptSpan, getTracing } from '../../src/tracing/tracing.ts';
import { type Attempt, AttemptTimeoutError } from './attempt.ts';
import { AttemptContext } from './attempt-context.ts';
import type { Deadlines } from './deadlines.ts';
import type { TaskDefinition } from './define-task.ts';
import type { Isolation } from './isolation.ts';
import { toJson } from './json-result.ts';
import { DoNotRetryError, type Outcome, outcomeOfError } from './outcome.ts';
import type { Report } from './reporter.ts';
import { check, type Schema } from './schemas.ts';
import type { SideReporter } from './side-reporter.ts';

export interface ExecutorOptions {
  tasks: ReadonlyMap<string, TaskDefinition>;
  workerId: string;
  deadlines: Deadlines;
  /** Largest result, in bytes of JSON. */
  maxResultBytes: number;
  logger: Logger;
  side: SideReporter;
  /** Runs the isolated ones. */
  isolation: Pick<Isolation, 'run'>;
  report: (attempt: Attempt, report: Report, end: AttemptEnd) => void;
}

/** Runs one attempt: load, validate, run, encode, report. Never throws, and reports each attempt once. */
export const execute = async (attempt: Attempt, options: ExecutorOptions): Promise<void> => {
  const startedAt = performance.now();
  attempt.span = startSpan(attempt, options.workerId);
  const outcome = await outcomeOf(attempt, options);
  logFailure(attempt, outcome, options.logger);
  const report = encode(outcome, options.maxResultBytes);
  const end = describeEnd(attempt, report);
  if (attemptEnded.hasSubscribers) {
    const durationMs = performance.now() - startedAt;
    attemptEnded.publish({ type: attempt.claim.type, outcome: end, durationMs });
  }
  attempt.span?.end(end, codeOf(outcome, report));
  options.report(attempt, report, end);
};

const startSpan = ({ claim }: Attempt, workerId: string): AttemptSpan | undefined => {
  const { traceparent } = claim;
  return traceparent === undefined
    ? undefined
    : getTracing()?.startAttempt({ ...claim, traceparent }, claim.attempt, workerId);
};

const describeEnd = ({ claim, isLost }: Attempt, report: Report): AttemptEnd => {
  if (isLost) return 'lost';
  if (report.kind === 'complete') return 'completed';
  if (report.kind === 'release') return 'released';
  return report.retry === '1' && claim.attempt < claim.maxAttempts ? 'retried' : 'failed';
};

/** Why it failed, for its span; undefined for one that did not. */
const codeOf = (outcome: Outcome, report: Report): string | undefined => {
  if (report.kind !== 'fail') return undefined;
  return 'failure' in outcome ? (outcome.failure.code ?? 'Error') : 'INVALID_RESULT';
};

const outcomeOf = (attempt: Attempt, options: ExecutorOptions): Promise<Outcome> | Outcome => {
  try {
    const { definition, payload } = load(attempt.claim, options.tasks);
    // Whoever runs it in a thread watches its deadline, too: waiting for a thread does not count.
    if (definition.isolate) return run(attempt, () => options.isolation.run(attempt, definition), undefined);
    return run(attempt, handlerOf(attempt, definition, payload, options), options.deadlines);
  } catch (error) {
    return outcomeOfError(error);
  }
};

/** Checks the payload, runs the handler, checks the result. Most schemas check at once, and then no promise is made for it. */
const handlerOf = (
  attempt: Attempt,
  definition: TaskDefinition,
  payload: unknown,
  { logger, side }: ExecutorOptions,
): (() => unknown) => {
  const call = (checked: unknown): unknown => {
    const context = new AttemptContext(attempt, checked, logger, side);
    const returned = attempt.span ? attempt.span.run(() => definition.handler(context)) : definition.handler(context);
    return definition.result ? checkResult(definition.result, returned) : returned;
  };
  const checked = validate(definition, payload);
  return checked instanceof Promise ? async () => call(await checked) : () => call(checked);
};

/** @throws DoNotRetryError INVALID_RESULT, naming each field that is wrong */
export const checkResult = async (schema: Schema, returned: unknown): Promise<unknown> =>
  check(schema, await returned, 'result', 'INVALID_RESULT');

export interface Loaded {
  definition: TaskDefinition;
  payload: unknown;
}

/** Finds what runs the task and reads its payload. @throws DoNotRetryError UNKNOWN_TYPE or INVALID_PAYLOAD */
export const load = (claim: Claim, tasks: ReadonlyMap<string, TaskDefinition>): Loaded => {
  const definition = tasks.get(claim.type);
  if (!definition) throw new DoNotRetryError(`this worker cannot run ${claim.type}`, { code: 'UNKNOWN_TYPE' });
  try {
    return { definition, payload: JSON.parse(claim.payload) };
  } catch (cause) {
    throw new DoNotRetryError('the payload is not JSON', { code: 'INVALID_PAYLOAD', cause });
  }
};

/**
 * @returns the payload as the schema puts it out, with defaults filled in; a promise of it where that takes its time
 * @throws DoNotRetryError INVALID_PAYLOAD, naming each field that is wrong
 */
export const validate = (definition: TaskDefinition, payload: unknown): unknown | Promise<unknown> =>
  definition.payload ? check(definition.payload, payload, 'payload', 'INVALID_PAYLOAD') : payload;

/**
 * Calls the handler and waits for the first that settles the attempt: the handler, or who stops it. What a stopped handler
 * does afterwards is ignored.
 *
 * @param deadlines watch it; undefined where the handler sees to that
 */
export const run = async (
  attempt: Attempt,
  handler: () => unknown,
  deadlines: Deadlines | undefined,
): Promise<Outcome> => {
  const { timeoutMs } = attempt.claim;
  if (timeoutMs !== undefined) deadlines?.watch(attempt, timeoutMs);
  void settleWith(attempt, handler);
  const outcome = await attempt.outcome;
  if (timeoutMs !== undefined) deadlines?.forget(attempt);
  return outcome;
};

const settleWith = async (attempt: Attempt, handler: () => unknown): Promise<void> => {
  try {
    attempt.settle({ kind: 'done', result: await handler() });
  } catch (error) {
    attempt.settle(outcomeOfThrown(attempt, error));
  }
};

/** What is thrown after the handler was told to stop is the stopping, not a fault of its own. */
const outcomeOfThrown = (attempt: Attempt, error: unknown): Outcome => {
  if (attempt.isHandedBack) return { kind: 'released' };
  const { abortReason } = attempt;
  if (!(abortReason instanceof AttemptTimeoutError)) return outcomeOfError(error);
  return { kind: 'retry', failure: { message: abortReason.message, code: abortReason.code } };
};

/** The outcome as the broker takes it. A result that cannot be kept makes the task fail, without another attempt. */
export const encode = (outcome: Outcome, maxResultBytes: number): Report => {
  switch (outcome.kind) {
    case 'done':
      return encodeResult(outcome.result, maxResultBytes);
    case 'retry':
      return { kind: 'fail', error: JSON.stringify(outcome.failure), retry: '1', delayMs: outcome.delayMs ?? '' };
    case 'dead-letter':
      return { kind: 'fail', error: JSON.stringify(outcome.failure), retry: '0', delayMs: '' };
    case 'released':
      return { kind: 'release' };
  }
};

const encodeResult = (value: unknown, maxResultBytes: number): Report => {
  const result = toJson(value);
  if (typeof result !== 'string')
    return refused('RESULT_NOT_SERIALIZABLE', `the result is not JSON: ${result.problem}`);
  // A UTF-16 unit takes at most three bytes: most results need no counting.
  if (result.length * 3 > maxResultBytes) {
    const bytes = Buffer.byteLength(result);
    if (bytes > maxResultBytes) {
      return refused('RESULT_TOO_LARGE', `the result takes ${bytes} bytes; at most ${maxResultBytes} are allowed`);
    }
  }
  return { kind: 'complete', result };
};

const refused = (code: string, message: string): Report => ({
  kind: 'fail',
  error: JSON.stringify({ message, code }),
  retry: '0',
  delayMs: '',
});

const logFailure = ({ claim, isLost }: Attempt, outcome: Outcome, logger: Logger): void => {
  if (isLost || outcome.kind === 'done' || outcome.kind === 'released') return;
  // Without its message, which may hold what users sent: that is kept with the task.
  const { code } = outcome.failure;
  const mayRetry = outcome.kind === 'retry' && claim.attempt < claim.maxAttempts;
  logger.info({ taskId: claim.id, type: claim.type, attempt: claim.attempt, code, mayRetry }, 'task failed');
};
