import { describe, expect, test } from 'vitest';
import { BackoffSchema, decodeBackoff, encodeBackoff } from '../../src/tasks/backoff.ts';

describe('a backoff', () => {
  test('is written for the Lua functions with its defaults, and read again', () => {
    expect(encodeBackoff({ kind: 'FIXED', delayMs: 250 })).toBe('F:250:3600000:0.500');
    expect(encodeBackoff({ kind: 'EXPONENTIAL', delayMs: 1, maxDelayMs: 8, jitter: 0 })).toBe('E:1:8:0.000');
    expect(decodeBackoff('E:1:8:0.250')).toEqual({ kind: 'EXPONENTIAL', delayMs: 1, maxDelayMs: 8, jitter: 0.25 });
    expect(decodeBackoff(null)).toBeNull();
  });

  test('longer than an hour is not cut by the default bound', () => {
    expect(encodeBackoff({ kind: 'FIXED', delayMs: 7_200_000 })).toBe('F:7200000:7200000:0.500');
  });

  test.each([
    { delayMs: -1 },
    { delayMs: 0.5 },
    { delayMs: 700_000_000 },
    { jitter: 1.1 },
    { jitter: -0.1 },
    { delayMs: 9, maxDelayMs: 8 },
  ])('with %j is refused', (wrong) => {
    expect(BackoffSchema.safeParse({ kind: 'FIXED', delayMs: 1, ...wrong }).success).toBe(false);
  });
});
