import { describe, expect, test } from 'vitest';
import { type SubmitInput, type TaskRules, toNewTask } from '../../src/tasks/new-task.ts';
import { encodeTypeDefaults, parseTypeDefaults, type TypeDefaults } from '../../src/tasks/type-defaults.ts';
import { taskInput } from '../support/factory.ts';

const rulesWith = (defaults: TypeDefaults | undefined): TaskRules => ({
  maxPayloadBytes: 100,
  prepare: async () => {},
  checkPayload: () => {},
  isDraining: () => false,
  defaultsOf: (type) => (type === 'echo' ? defaults : undefined),
});
const made = (input: Partial<SubmitInput>, defaults: TypeDefaults | undefined) => {
  const { maxAttempts, timeoutMs, backoff } = toNewTask('owner', taskInput(input), 'input', rulesWith(defaults));
  return { maxAttempts, timeoutMs, backoff };
};
const DEFAULTS = { maxAttempts: 9, timeoutMs: 1_000, backoff: 'F:50:60:0.000' };

describe('the defaults of a type', () => {
  test('are what its workers wrote', () => {
    const text = encodeTypeDefaults({
      maxAttempts: 9,
      timeoutMs: 1_000,
      backoff: { kind: 'FIXED', delayMs: 50, maxDelayMs: 60, jitter: 0 },
    });
    expect(parseTypeDefaults(text)).toEqual(DEFAULTS);
    expect(parseTypeDefaults(encodeTypeDefaults({}))).toEqual({});
  });

  test.each([
    ['', {}],
    ['{', {}],
    ['null', {}],
    ['[]', {}],
    ['{"timeoutMs":"soon","maxAttempts":2}', { maxAttempts: 2 }],
    ['{"timeoutMs":5,"maxAttempts":0}', { timeoutMs: 5 }],
    ['{"backoff":"X:1:2:0","timeoutMs":5}', { timeoutMs: 5 }],
    ['{"backoff":"E:1:2:7"}', {}],
    ['{"backoff":"E:900000000:2:0"}', {}],
    ['{"backoff":"E:1:2:0.5\\t"}', {}],
    ['{"backoff":"E:1:2:0.5","more":1}', { backoff: 'E:1:2:0.5' }],
  ])('leave out what no task could have: %s', (text, expected) => {
    expect(parseTypeDefaults(text)).toEqual(expected);
  });

  test('fill in what a task does not say', () => {
    expect(made({ maxAttempts: null }, DEFAULTS)).toEqual(DEFAULTS);
    expect(made({ maxAttempts: null }, { timeoutMs: 7 })).toEqual({ maxAttempts: 3, timeoutMs: 7, backoff: null });
    expect(made({ maxAttempts: null, type: 'other' }, DEFAULTS)).toEqual({
      maxAttempts: 3,
      timeoutMs: null,
      backoff: null,
    });
  });

  test('leave what a task says', () => {
    const said = {
      maxAttempts: 2,
      timeoutMs: 5,
      backoff: { kind: 'EXPONENTIAL', delayMs: 1, maxDelayMs: 8, jitter: 0 },
    } as const;
    expect(made(said, DEFAULTS)).toEqual({ maxAttempts: 2, timeoutMs: 5, backoff: 'E:1:8:0.000' });
  });
});
