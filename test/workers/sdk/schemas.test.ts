import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import type { InputOf, ResultOf } from '../../../src/client/task-ref.ts';
import { defineTask, isTaskDefinition, type TaskDefinition } from '../../../workers/runtime/define-task.ts';
import { checkResult, validate } from '../../../workers/runtime/executor.ts';

const PERSON = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };

/** The same type in three libraries: what is announced, and what a payload becomes. */
const libraries: [string, TaskDefinition][] = [
  [
    'zod',
    defineTask({
      type: 'greet',
      payload: z.object({ name: z.string().min(2), times: z.number().default(1) }),
      handler: ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ name: string; times: number }>();
      },
    }),
  ],
  [
    'valibot',
    defineTask({
      type: 'greet',
      payload: v.object({ name: v.pipe(v.string(), v.minLength(2)), times: v.optional(v.number(), 1) }),
      handler: ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ name: string; times: number }>();
      },
    }),
  ],
  [
    'arktype',
    defineTask({
      type: 'greet',
      payload: type({ name: 'string >= 2', times: 'number = 1' }),
      handler: ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ name: string; times: number }>();
      },
    }),
  ],
];

describe.each(libraries)('a payload in %s', (_name, task) => {
  test('is announced as JSON Schema of what is submitted', () => {
    const schema = JSON.parse(task.payloadSchema);
    expect(schema).toMatchObject(PERSON);
    expect(schema.properties.name).toMatchObject({ minLength: 2 });
    expect(schema.required).toEqual(['name']);
  });

  test('is checked, with its defaults filled in', () => {
    expect(validate(task, { name: 'Ada' })).toEqual({ name: 'Ada', times: 1 });
  });

  test('that does not fit names each field at fault', () => {
    const refusal = expect.objectContaining({ name: 'DoNotRetryError', code: 'INVALID_PAYLOAD' });
    expect(() => validate(task, { name: 'A', times: 'x' })).toThrow(refusal);
    expect(() => validate(task, { name: 'A', times: 'x' })).toThrow(/name.*;.*times/);
  });
});

describe('a schema', () => {
  test('with what JSON Schema has no word for is announced without it', () => {
    const task = defineTask({ type: 'at', payload: z.object({ at: z.coerce.date() }), handler: () => 1 });
    expect(JSON.parse(task.payloadSchema).properties).toEqual({ at: {} });
  });

  test('of a library that does not write JSON Schema needs one beside it', () => {
    const payload = {
      '~standard': {
        version: 1,
        vendor: 'homemade',
        validate: (value: unknown) => ({ value: value as string }),
        types: undefined as { input: string; output: string } | undefined,
      },
    } as const;
    const handler = () => 1;
    expect(() => defineTask({ type: 'x', payload, handler })).toThrow(
      /the payload of x .* homemade .* payloadJsonSchema/,
    );
    const given = defineTask({ type: 'x', payload, payloadJsonSchema: { type: 'string' }, handler });
    expect(given.payloadSchema).toBe('{"type":"string"}');
    expect(defineTask({ type: 'x', payload, payloadJsonSchema: null, handler }).payloadSchema).toBe('null');
  });

  test('may check asynchronously', async () => {
    const payload = z.object({ n: z.number() }).refine(async ({ n }) => n > 1, 'too small');
    const task = defineTask({ type: 'x', payload, handler: () => 1 });
    await expect(validate(task, { n: 2 })).resolves.toEqual({ n: 2 });
    await expect(validate(task, { n: 1 })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD', message: /too small/ });
  });

  test('of a result refuses another one, and puts out the one that fits', async () => {
    const schema = z.object({ count: z.number(), unit: z.string().default('rows') });
    await expect(checkResult(schema, Promise.resolve({ count: 1 }))).resolves.toEqual({ count: 1, unit: 'rows' });
    await expect(checkResult(schema, { count: 'one' })).rejects.toMatchObject({
      name: 'DoNotRetryError',
      code: 'INVALID_RESULT',
      message: expect.stringMatching(/^the result does not fit: .* at count$/),
    });
  });
});

describe('the types of a definition', () => {
  test('are those of its schemas: what is submitted, and what it ends with', () => {
    const both = defineTask({
      type: 'x',
      payload: z.object({ n: z.number().default(1) }),
      result: z.object({ sum: z.number() }),
      handler: async ({ payload }) => ({ sum: payload.n }),
    });
    expectTypeOf<InputOf<typeof both>>().toEqualTypeOf<{ n?: number | undefined }>();
    expectTypeOf<ResultOf<typeof both>>().toEqualTypeOf<{ sum: number }>();
    // @ts-expect-error The handler returns something else.
    defineTask({ type: 'x', result: z.object({ sum: z.number() }), handler: () => ({ sum: 'one' }) });
  });

  test('are those of its handler where there is no schema of the result', () => {
    const inferred = defineTask({ type: 'x', handler: async () => ({ ok: true }) });
    expectTypeOf<ResultOf<typeof inferred>>().toEqualTypeOf<{ ok: boolean }>();
    expectTypeOf<InputOf<typeof inferred>>().toEqualTypeOf<unknown>();
  });

  test('are those of JSON, since that is how a result travels', () => {
    const task = defineTask({
      type: 'x',
      handler: () => ({ at: new Date(0), list: [{ maybe: 1 as number | undefined }], call: () => 1 }),
    });
    expectTypeOf<ResultOf<typeof task>>().toEqualTypeOf<{ at: string; list: { maybe: number | undefined }[] }>();
    const nothing = defineTask({ type: 'x', handler: async () => {} });
    expectTypeOf<ResultOf<typeof nothing>>().toEqualTypeOf<null>();
  });

  test('tell it from other objects', () => {
    const task = defineTask({ type: 'x', handler: () => 1 });
    expect(isTaskDefinition(task)).toBe(true);
    for (const other of [null, 'x', { ...task, type: 'x' }.type, { type: 'x', handler: () => 1 }]) {
      expect(isTaskDefinition(other)).toBe(false);
    }
  });
});

describe('the defaults of a definition', () => {
  test('are announced with its type', () => {
    const task = defineTask({
      type: 'x',
      retry: { maxAttempts: 7, backoff: { kind: 'FIXED', delayMs: 50 } },
      timeoutMs: 1_000,
      handler: () => 1,
    });
    expect(JSON.parse(task.defaults)).toEqual({ maxAttempts: 7, timeoutMs: 1_000, backoff: 'F:50:3600000:0.500' });
    expect(defineTask({ type: 'x', handler: () => 1 }).defaults).toBe('{}');
  });

  test('must be what a task could have', () => {
    const handler = () => 1;
    expect(() => defineTask({ type: 'x', timeoutMs: 0, handler })).toThrow(/timeoutMs/);
    expect(() => defineTask({ type: 'x', retry: { maxAttempts: 101 }, handler })).toThrow(/maxAttempts/);
    expect(() => defineTask({ type: 'x', retry: { backoff: { kind: 'FIXED', delayMs: -1 } }, handler })).toThrow(
      /delayMs/,
    );
  });
});
