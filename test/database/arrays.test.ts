import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { floatArray, intArray, plainArray, textArray, uuidArray } from '../../src/database/arrays.ts';
import { Prisma, queryDirectly, sqlState } from '../../src/database/client.ts';
import { setup, type TestApp } from '../support/setup.ts';

let app: TestApp;
beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());

/** What PostgreSQL makes of an array, by itself and within a transaction of Prisma's. */
const read = async <T>(array: Buffer | string, type: string): Promise<T[]> => {
  const statement = Prisma.sql`SELECT element FROM unnest(${array}::${Prisma.raw(type)}[]) WITH ORDINALITY AS t(element, place) ORDER BY place`;
  const [direct, within] = await Promise.all([
    queryDirectly<{ element: T }>(app.database, statement),
    app.database.$transaction((transaction) => queryDirectly<{ element: T }>(transaction, statement)),
  ]);
  expect(within).toEqual(direct);
  return direct.map(({ element }) => element);
};
const itself = <T>(value: T): T => value;

describe('PostgreSQL reads', () => {
  test('texts of any content and length', async () => {
    const texts = [
      '',
      'plain',
      'NULL',
      null,
      'with "quotes", {braces}, \\backslashes\\ and, commas',
      'ä€😀',
      'ä€😀'.repeat(20_000),
      'x'.repeat(24),
      'x'.repeat(25),
      `${'x'.repeat(23)}ä`,
      JSON.stringify({ text: 'a\nb\t"c"' }),
    ];
    expect(await read(textArray(texts, itself), 'text')).toEqual(texts);
  });

  test('whole numbers', async () => {
    const numbers = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)];
    expect(await read(intArray(numbers, itself), 'int')).toEqual(numbers);
  });

  test('floating numbers, times in ms among them', async () => {
    const numbers = [0, null, 0.1, -1.5e300, 1_796_000_000_123.5, null];
    expect(await read(floatArray(numbers, itself), 'float8')).toEqual(numbers);
  });

  test('UUIDs, in capitals too', async () => {
    const uuids = [...Array.from({ length: 1_000 }, () => randomUUID()), 'ABCDEF01-2345-6789-ABCD-EF0123456789'];
    expect(await read(uuidArray(uuids, itself), 'uuid')).toEqual(uuids.map((uuid) => uuid.toLowerCase()));
  });

  test('plain values', async () => {
    expect(await read(plainArray(['QUEUED', null, 'FAILED'], itself), 'task_status')).toEqual([
      'QUEUED',
      null,
      'FAILED',
    ]);
  });

  test.each([
    ['text', textArray([], String)],
    ['int', intArray([], Number)],
    ['float8', floatArray([], Number)],
    ['uuid', uuidArray([], String)],
  ])('an empty array of %s', async (type, array) => {
    expect(await read(array, type)).toEqual([]);
  });
});

test('PostgreSQL refuses a text with NUL, whoever sends it', async () => {
  const statement = Prisma.sql`SELECT unnest(${textArray(['a\0b'], itself)}::text[])`;
  const failure = await queryDirectly(app.database, statement).catch(itself);
  const within = await app.database.$transaction((transaction) => queryDirectly(transaction, statement)).catch(itself);
  expect([sqlState(failure), sqlState(within)]).toEqual(['22021', '22021']);
});

test('a number of more than 32 bits is none for an array of int', () => {
  expect(() => intArray([2 ** 31], itself)).toThrow(RangeError);
});
