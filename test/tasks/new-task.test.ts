import { describe, expect, test } from 'vitest';
import { type SubmitInput, type TaskRules, toNewTask } from '../../src/tasks/new-task.ts';
import { taskInput } from '../support/factory.ts';

const OWNER = '01900000-0000-7000-8000-00000000cafe';
const rules: TaskRules = {
  maxPayloadBytes: 100,
  prepare: async () => {},
  checkPayload: () => {},
  defaultsOf: () => undefined,
  isDraining: () => false,
};
const make = (more: Partial<SubmitInput> = {}) => toNewTask(OWNER, taskInput(more), 'inputs.3', rules);
const jsonOf = (length: number, text = 'x') => text.repeat(Math.floor((length - 2) / Buffer.byteLength(text)));
const DAY = 86_400_000;

describe('a new task', () => {
  test('has an id of its own, in the order of its making', () => {
    const ids = Array.from({ length: 100 }, () => make().id);
    expect(new Set(ids).size).toBe(100);
    expect(ids.toSorted()).toEqual(ids);
  });

  test('gets what was left out', () => {
    const { timeoutMs, runAt, tags, idempotencyKey, status } = make({
      timeoutMs: undefined,
      tags: null,
      idempotencyKey: null,
    });
    expect({ timeoutMs, runAt, tags, idempotencyKey, status }).toEqual({
      timeoutMs: null,
      runAt: null,
      tags: [],
      idempotencyKey: null,
      status: 'QUEUED',
    });
  });

  test('is scheduled when it is due later, and queued when it was due before', () => {
    expect(make({ runAt: new Date(Date.now() + 60_000) }).status).toBe('SCHEDULED');
    expect(make({ runAt: new Date(Date.now() - 1) }).status).toBe('QUEUED');
  });

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'null'],
    ['null', null, 'null'],
    ['a text', 'a', '"a"'],
    ['a backslash before u0000, which is no NUL', 'C:\\u0000 \\ud800', '"C:\\\\u0000 \\\\ud800"'],
    ['a whole surrogate pair', '🦀', '"🦀"'],
    ['control characters', '\u0001\t\n', '"\\u0001\\t\\n"'],
  ])('takes as its payload %s', (_, payload, text) => {
    expect(make({ payload }).payload).toBe(text);
  });

  test('gives its payload to the check of its type', () => {
    const seen: unknown[] = [];
    toNewTask(OWNER, taskInput({ payload: undefined }), 'input', {
      ...rules,
      checkPayload: (...args) => seen.push(args),
    });
    expect(seen).toEqual([['echo', null, 'input']]);
  });
});

describe('the bounds of a new task', () => {
  test.each<[string, Partial<SubmitInput>]>([
    ['the longest type', { type: 'x'.repeat(128) }],
    ['a type of all allowed characters', { type: 'aZ9._:-' }],
    ['the longest queue', { queue: 'q'.repeat(64) }],
    ['a queue of all allowed characters', { queue: 'az09._-' }],
    ['the fewest attempts', { maxAttempts: 1 }],
    ['the most attempts', { maxAttempts: 100 }],
    ['the shortest timeout', { timeoutMs: 1 }],
    ['the longest timeout', { timeoutMs: 7 * DAY }],
    ['the longest key', { idempotencyKey: 'k'.repeat(255) }],
    ['the most tags', { tags: Array.from({ length: 20 }, (_, i) => `tag ${i}`) }],
    ['the longest tag', { tags: ['t'.repeat(100)] }],
    ['the last moment', { runAt: new Date('9999-12-31T23:59:59.999Z') }],
    ['the largest payload', { payload: jsonOf(100) }],
    ['the largest payload in three-byte characters', { payload: jsonOf(98, '日') }],
  ])('allow %s', (_, more) => {
    expect(make(more)).toMatchObject({ ownerId: OWNER });
  });

  test.each<[string, Partial<SubmitInput>, string, number | undefined]>([
    ['a type too long', { type: 'x'.repeat(129) }, 'type', undefined],
    ['an empty type', { type: '' }, 'type', undefined],
    ['a type with a bar', { type: 'a|b' }, 'type', undefined],
    ['a type with a comma', { type: 'a,b' }, 'type', undefined],
    ['a type that ends in a newline', { type: 'echo\n' }, 'type', undefined],
    ['a queue too long', { queue: 'q'.repeat(65) }, 'queue', undefined],
    ['an empty queue', { queue: '' }, 'queue', undefined],
    ['a queue in capitals', { queue: 'Mail' }, 'queue', undefined],
    ['a star as queue', { queue: '*' }, 'queue', undefined],
    ['a queue with a tab', { queue: 'a\tb' }, 'queue', undefined],
    ['no attempts', { maxAttempts: 0 }, 'maxAttempts', undefined],
    ['too many attempts', { maxAttempts: 101 }, 'maxAttempts', 100],
    ['half an attempt', { maxAttempts: 1.5 }, 'maxAttempts', undefined],
    ['no time', { timeoutMs: 0 }, 'timeoutMs', undefined],
    ['too much time', { timeoutMs: 7 * DAY + 1 }, 'timeoutMs', 7 * DAY],
    ['an empty key', { idempotencyKey: '' }, 'idempotencyKey', undefined],
    ['a key too long', { idempotencyKey: 'k'.repeat(256) }, 'idempotencyKey', 255],
    ['a key with NUL', { idempotencyKey: 'a\0' }, 'idempotencyKey', undefined],
    ['a key with half a surrogate pair', { idempotencyKey: 'a\ud800' }, 'idempotencyKey', undefined],
    ['too many tags', { tags: Array.from({ length: 21 }, () => 't') }, 'tags', 20],
    ['a tag too long', { tags: ['ok', 't'.repeat(101)] }, 'tags.1', 100],
    ['an empty tag', { tags: [''] }, 'tags.0', undefined],
    ['a tag with NUL', { tags: ['a\0'] }, 'tags.0', undefined],
    ['a tag with half a surrogate pair', { tags: ['\udc00b'] }, 'tags.0', undefined],
    ['no date', { runAt: new Date(Number.NaN) }, 'runAt', undefined],
    ['a year of five digits', { runAt: new Date('+010000-01-01T00:00:00Z') }, 'runAt', undefined],
    ['a year before the first', { runAt: new Date('-000001-01-01T00:00:00Z') }, 'runAt', undefined],
    ['NUL in a payload', { payload: { a: ['b\0'] } }, 'payload', undefined],
    ['NUL in a key of a payload', { payload: { a: { 'b\0': 1 } } }, 'payload', undefined],
    ['half a surrogate pair in a payload', { payload: ['\ud83e'] }, 'payload', undefined],
    ['half a surrogate pair in a key of a payload', { payload: { '\udd80': 1 } }, 'payload', undefined],
    ['NUL beside a backslash before u0000', { payload: ['\\u0000', '\0'] }, 'payload', undefined],
  ])('refuse %s, and say which field is at fault', (_, more, field, limit) => {
    const details = limit === undefined ? { field: `inputs.3.${field}` } : { field: `inputs.3.${field}`, limit };
    expect(() => make(more)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT', details }));
  });

  test.each([
    ['one byte too many', jsonOf(101)],
    ['too many bytes, though few characters', jsonOf(104, '日')],
  ])('refuse a payload of %s', (_, payload) => {
    const details = { field: 'inputs.3.payload', limit: 100 };
    expect(() => make({ payload })).toThrow(expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE', details }));
  });

  test('refuse a payload that is nested too deeply', () => {
    const payload = JSON.parse(`${'['.repeat(60_000)}${']'.repeat(60_000)}`);
    const large = { ...rules, maxPayloadBytes: 1_000_000 };
    const details = { field: 'input.payload' };
    expect(() => toNewTask(OWNER, taskInput({ payload }), 'input', large)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details }),
    );
  });
});
