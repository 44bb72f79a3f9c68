import { expect, test } from 'vitest';
import { parseInterval } from '../../../workers/janitor/parse-interval.ts';

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1.5h', 5_400_000],
  ['24d', 2_073_600_000],
])('%s is %i ms', (text, ms) => {
  expect(parseInterval(text)).toBe(ms);
});

test.each(['', '1', 'h', '1 h', '-1h', '0s', '0.2ms', '1w', '1h30m', '25d', '1e3s', 'ms'])('refuses %j', (text) => {
  expect(() => parseInterval(text)).toThrow(/is no interval/);
});
