import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Attempt, WorkerStoppingError } from '../../../workers/runtime/attempt.ts';
import { Deadlines } from '../../../workers/runtime/deadlines.ts';
import { DoNotRetryError, defineTask, RetryAfterError } from '../../../workers/runtime/define-task.ts';
import { encode, execute, load, run, validate } from '../../../workers/runtime/executor.ts';
import { outcomeOfError, toFailure } from '../../../workers/runtime/outcome.ts';
import type { Report } from '../../../workers/runtime/reporter.ts';
import { SideReporter } from '../../../workers/runtime/side-reporter.ts';
import { attemptOf, claimOf } from '../../support/attempts.ts';

const work = defineTask({
  type: 'work',
  payload: z.object({ n: z.number().max(9), unit: z.string().default('ms') }),
  handler: ({ payload }) => `${payload.n} ${payload.unit}`,
});
const tasks = new Map([['work', work]]);

describe('loading an attempt', () => {
  test('finds its definition and reads its payload', () => {
    expect(load(claimOf(), tasks)).toEqual({ definition: work, payload: { n: 1 } });
  });

  test('refuses an unknown type, and a payload that is not JSON', () => {
    expect(() => load(claimOf({ type: 'other' }), tasks)).toThrow(expect.objectContaining({ code: 'UNKNOWN_TYPE' }));
    expect(() => load(claimOf({ payload: '{' }), tasks)).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }));
  });
});

describe('validating a payload', () => {
  test('fills in defaults', () => {
    expect(validate(work, { n: 1 })).toEqual({ n: 1, unit: 'ms' });
  });

  test('names what is wrong, and does not try again', () => {
    expect(() => validate(work, { n: 10 })).toThrow(DoNotRetryError);
    expect(() => validate(work, { n: 10 })).toThrow(/<=9[\s\S]*at n/);
  });

  test('lets anything pass where the type has no schema', () => {
    expect(validate(defineTask({ type: 'any', handler: () => 1 }), [1, 'two'])).toEqual([1, 'two']);
  });
});

describe('running a handler', () => {
  test('takes what it returns or throws, now or later', async () => {
    const outcome = (handler: () => unknown) => run(attemptOf(), handler, new Deadlines());
    expect(await outcome(() => 1)).toEqual({ kind: 'done', result: 1 });
    expect(await outcome(async () => 2)).toEqual({ kind: 'done', result: 2 });
    const broken = () => {
      throw new Error('broken');
    };
    expect(await outcome(broken)).toMatchObject({ kind: 'retry', failure: { message: 'broken' } });
    expect(await outcome(async () => broken())).toMatchObject({ kind: 'retry', failure: { message: 'broken' } });
  });

  test('ends at the deadline and ignores what comes afterwards', async () => {
    const attempt = attemptOf({ timeoutMs: 5 });
    let end: (value: unknown) => void = () => {};
    const outcome = await run(attempt, () => new Promise((resolve) => (end = resolve)), new Deadlines());
    end('late');
    expect(outcome).toMatchObject({ kind: 'retry', failure: { code: 'TIMEOUT' } });
    expect(attempt.signal.reason).toMatchObject({ name: 'AttemptTimeoutError' });
  });

  test('hands the task back when the handler ends because the worker stops', async () => {
    const attempt = attemptOf();
    const handler = () =>
      new Promise((_, reject) => attempt.signal.addEventListener('abort', () => reject(attempt.signal.reason)));
    const outcome = run(attempt, handler, new Deadlines());
    attempt.abort(new WorkerStoppingError());
    expect(await outcome).toEqual({ kind: 'released' });
  });

  test('gives a signal that is first asked for after the abort', () => {
    const attempt = attemptOf();
    attempt.lose();
    expect(attempt.signal.aborted).toBe(true);
    expect(attempt.signal.reason).toMatchObject({ name: 'LeaseLostError' });
  });
});

describe('deadlines', () => {
  test('end the earlier attempt first, whichever was watched first', async () => {
    const deadlines = new Deadlines();
    const late = attemptOf({ timeoutMs: 30 });
    const early = attemptOf({ timeoutMs: 5 });
    const forgotten = attemptOf({ timeoutMs: 5 });
    for (const attempt of [late, early, forgotten]) deadlines.watch(attempt, attempt.claim.timeoutMs ?? 0);
    deadlines.forget(forgotten);
    await early.outcome;
    expect(late.isSettled).toBe(false);
    await late.outcome;
    expect(forgotten.isSettled).toBe(false);
  });
});

describe('encoding an outcome', () => {
  test('writes a result as JSON, and no result as null', () => {
    expect(encode({ kind: 'done', result: { a: [1] } }, 100)).toEqual({ kind: 'complete', result: '{"a":[1]}' });
    expect(encode({ kind: 'done', result: undefined }, 100)).toEqual({ kind: 'complete', result: 'null' });
  });

  test('fails a task whose result is too large, counted in bytes', () => {
    expect(encode({ kind: 'done', result: 'ä'.repeat(4) }, 10)).toMatchObject({ kind: 'complete' });
    const report = encode({ kind: 'done', result: 'ä'.repeat(5) }, 10);
    expect(report).toMatchObject({ kind: 'fail', retry: '0' });
    expect(report).toHaveProperty(
      'error',
      '{"message":"the result takes 12 bytes; at most 10 are allowed","code":"RESULT_TOO_LARGE"}',
    );
  });

  test('fails a task whose result is not JSON', () => {
    const circular: { self?: unknown } = {};
    circular.self = circular;
    for (const result of [circular, 10n, () => 1, Symbol('x')]) {
      const report = encode({ kind: 'done', result }, 100);
      expect(report).toMatchObject({
        kind: 'fail',
        retry: '0',
        error: expect.stringContaining('RESULT_NOT_SERIALIZABLE'),
      });
    }
  });

  test('passes on whether and when to try again', () => {
    const failure = { message: 'm' };
    expect(encode({ kind: 'retry', failure }, 1)).toEqual({
      kind: 'fail',
      error: '{"message":"m"}',
      retry: '1',
      delayMs: '',
    });
    expect(encode({ kind: 'retry', failure, delayMs: 0 }, 1)).toMatchObject({ retry: '1', delayMs: 0 });
    expect(encode({ kind: 'dead-letter', failure }, 1)).toMatchObject({ retry: '0', delayMs: '' });
    expect(encode({ kind: 'released' }, 1)).toEqual({ kind: 'release' });
  });
});

describe('executing an attempt', () => {
  const options = (report: (report: Report) => void) => ({
    tasks,
    workerId: 'w1',
    deadlines: new Deadlines(),
    maxResultBytes: 100,
    logger: pino({ level: 'silent' }),
    side: new SideReporter(pino({ level: 'silent' })),
    isolation: { run: () => Promise.reject(new Error('nothing is isolated here')) },
    report: (_attempt: Attempt, one: Report) => report(one),
  });

  test('reports once, whatever happens', async () => {
    const reports: Report[] = [];
    const all = options((report) => reports.push(report));
    await execute(attemptOf({ payload: '{"n":2}' }), all);
    await execute(attemptOf({ payload: '{"n":20}' }), all);
    expect(reports).toMatchObject([
      { kind: 'complete', result: '"2 ms"' },
      { kind: 'fail', retry: '0', error: expect.stringContaining('INVALID_PAYLOAD') },
    ]);
  });
});

describe('what a handler throws', () => {
  test('becomes a message, a code and a stack', () => {
    const error = Object.assign(new TypeError('no'), { code: 404 });
    expect(toFailure(error)).toEqual({ message: 'no', code: '404', stack: error.stack });
    expect(toFailure(new RangeError())).toMatchObject({ message: 'RangeError' });
  });

  test('may be anything', () => {
    expect(toFailure('text')).toEqual({ message: 'text' });
    expect(toFailure({ a: 1 })).toEqual({ message: '{"a":1}' });
    expect(toFailure({ a: 1n })).toEqual({ message: '[object Object]' });
    expect(toFailure(undefined)).toEqual({ message: 'undefined' });
  });

  test('is cut to a bearable length', () => {
    const { message, stack } = toFailure(new Error('x'.repeat(1_000_000)));
    expect(message).toHaveLength(4_000);
    expect(stack).toHaveLength(8_000);
  });

  test('says whether to try again', () => {
    expect(outcomeOfError(new DoNotRetryError('no', { code: 'NO' }))).toMatchObject({
      kind: 'dead-letter',
      failure: { code: 'NO' },
    });
    expect(outcomeOfError(new RetryAfterError('later', 1.2))).toMatchObject({ kind: 'retry', delayMs: 2 });
    expect(outcomeOfError(new RetryAfterError('later', Number.NaN))).toMatchObject({ kind: 'retry', delayMs: 0 });
  });
});

describe('defining a task', () => {
  test('refuses a name that the broker could not keep apart from others', () => {
    for (const type of ['', 'a,b', 'a|b', 'a b', 'a\tb', 'x'.repeat(129)]) {
      expect(() => defineTask({ type, handler: () => 1 })).toThrow(/cannot name a task type/);
    }
  });
});
