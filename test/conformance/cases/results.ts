import { expect } from 'vitest';
import { type Harness, MAX_RESULT_BYTES } from '../harness.ts';

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.1,
  -1.5e-7,
  5e-324,
  1.7976931348623157e308,
  Number.MAX_SAFE_INTEGER,
  -Number.MAX_SAFE_INTEGER,
  '',
  'null',
  'a line\nand a tab\t, "quotes", a \\ and a / and \u001f\u007f\u2028',
  'Grüße, 你好, שלום, 👩‍👩‍👧‍👦 and 𝄞',
  [],
  {},
  [[], [null], [1, 'two', { three: [3] }]],
  { '': 0, ' ': null, 'ключ "k"\n': [true], nested: { a: { b: { c: [] } } } },
  Array.from({ length: 1_000 }, (_, i) => i / 7),
];

export const givesBackEveryValue = async (h: Harness): Promise<void> => {
  const ids = await Promise.all(VALUES.map((value) => h.submit('echo', value)));
  const ends = await Promise.all(ids.map((id) => h.ended(id)));
  expect(ends.map(({ status }) => status)).toEqual(VALUES.map(() => 'COMPLETED'));
  expect(ends.map(({ result }) => result)).toEqual(VALUES);
};

export const givesBackDeepNesting = async (h: Harness): Promise<void> => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 400; depth++) deep = depth % 2 === 0 ? [deep] : { deep };
  expect(await h.ended(await h.submit('echo', deep))).toMatchObject({ status: 'COMPLETED', result: deep });
};

export const takesResultsUpToTheLimit = async (h: Harness): Promise<void> => {
  // Its quotes count.
  const largest = await h.ended(await h.submit('conformance.big', { bytes: MAX_RESULT_BYTES - 2 }));
  expect(largest).toMatchObject({ status: 'COMPLETED', result: 'x'.repeat(MAX_RESULT_BYTES - 2) });
  const id = await h.submit('conformance.big', { bytes: MAX_RESULT_BYTES - 1 });
  expect(await h.ended(id)).toMatchObject({
    status: 'FAILED',
    attempt: 1,
    result: null,
    error: { code: 'RESULT_TOO_LARGE', message: expect.stringContaining(String(MAX_RESULT_BYTES + 1)) },
  });
};

/** Limits count bytes of UTF-8, neither characters nor escapes. */
export const countsBytesOfText = async (h: Harness): Promise<void> => {
  const small = 'ü'.repeat(140_000);
  expect(await h.ended(await h.submit('echo', small))).toMatchObject({ status: 'COMPLETED', result: small });
  const large = await h.ended(await h.submit('echo', 'ü'.repeat(160_000)));
  expect(large).toMatchObject({ status: 'FAILED', error: { code: 'RESULT_TOO_LARGE' } });
};

export const takesLargePayloads = async (h: Harness): Promise<void> => {
  const payload = { text: 'y'.repeat(MAX_RESULT_BYTES - 100) };
  expect(await h.ended(await h.submit('echo', payload))).toMatchObject({ status: 'COMPLETED', result: payload });
};
