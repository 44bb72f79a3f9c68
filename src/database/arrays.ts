// Arrays as parameters of raw SQL. A JavaScript array is copied and escaped element by element, by Prisma and again by the
// driver: for a batch of a thousand tasks that was a fifth of the recorder's time.

import { BYTE_PLACES } from '../ids.ts';

type Plain = string | number | null;

/**
 * As text, for elements that need no quotes: UUIDs, numbers, enum values, ISO times.
 *
 * @example sql`SELECT * FROM unnest(${plainArray(tasks, ({ id }) => id)}::uuid[])`
 */
export const plainArray = <T>(rows: Iterable<T>, pick: (row: T) => Plain): string => {
  let literal = '';
  for (const row of rows) literal += `,${pick(row) ?? 'NULL'}`;
  return `{${literal.slice(1)}}`;
};

// The others are in PostgreSQL's binary form (array_recv in its arrayfuncs.c; all numbers big-endian): number of dimensions, whether
// there are nulls, the elements' type; length and lower bound of the dimension; then each element's length, or -1, and its bytes. A row of
// nine columns took PostgreSQL 1.9 µs to read as text; it takes 0.9.

const HEADER_BYTES = 20;
/** Of an element's length. */
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;

/** PostgreSQL's numbers of types (pg_type.dat). */
const INT4 = 23;
const TEXT = 25;
const FLOAT8 = 701;
const UUID = 2950;

const allocate = (elementType: number, count: number, elementBytes: number): Buffer => {
  const array = Buffer.allocUnsafe(HEADER_BYTES + count * LENGTH_BYTES + elementBytes);
  array.writeInt32BE(count > 0 ? 1 : 0, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(elementType, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  // An empty array has no dimension.
  return count > 0 ? array : array.subarray(0, 12);
};

/** For `int[]`: whole numbers of 32 bits. @throws RangeError for larger ones */
export const intArray = <T>(rows: readonly T[], pick: (row: T) => number): Buffer => {
  const array = allocate(INT4, rows.length, rows.length * 4);
  let at = HEADER_BYTES;
  for (const row of rows) {
    array.writeInt32BE(4, at);
    array.writeInt32BE(pick(row), at + LENGTH_BYTES);
    at += 8;
  }
  return array;
};

/** For `float8[]`. */
export const floatArray = <T>(rows: readonly T[], pick: (row: T) => number | null): Buffer => {
  const array = allocate(FLOAT8, rows.length, rows.length * 8);
  let at = HEADER_BYTES;
  for (const row of rows) {
    const value = pick(row);
    array.writeInt32BE(value === null ? NULL_LENGTH : 8, at);
    at += LENGTH_BYTES;
    if (value !== null) at = array.writeDoubleBE(value, at);
  }
  return array.subarray(0, at);
};

const UUID_BYTES = 16;
/** What a hexadecimal digit stands for, by its character code. */
const DIGITS = new Uint8Array(128);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  DIGITS[digit.charCodeAt(0)] = value;
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

/** For `uuid[]`: UUIDs as they are usually written, which the caller has checked. */
export const uuidArray = <T>(rows: readonly T[], pick: (row: T) => string): Buffer => {
  const array = allocate(UUID, rows.length, rows.length * UUID_BYTES);
  let at = HEADER_BYTES;
  for (const row of rows) {
    const uuid = pick(row);
    at = array.writeInt32BE(UUID_BYTES, at);
    for (const place of BYTE_PLACES) {
      const high = DIGITS[uuid.charCodeAt(place)] as number;
      array[at++] = (high << 4) | (DIGITS[uuid.charCodeAt(place + 1)] as number);
    }
  }
  return array;
};

/** So many characters are copied faster here than by a call of Node's. */
const SHORT = 24;
/** UTF-8 has at most three bytes for a UTF-16 unit. */
const MAX_BYTES_OF_UNIT = 3;

const writeText = (array: Buffer, text: string, at: number): number => {
  if (text.length > SHORT) return array.write(text, at);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return array.write(text, at);
    array[at + i] = unit;
  }
  return text.length;
};

/**
 * For `text[]`: any text, JSON among it. PostgreSQL's text cannot hold NUL: such a text is refused by the statement (22021).
 * Halves of surrogate pairs become U+FFFD.
 */
export const textArray = <T>(rows: readonly T[], pick: (row: T) => string | null): Buffer => {
  const texts = rows.map(pick);
  let mostBytes = 0;
  for (const text of texts) {
    if (text) mostBytes += text.length > SHORT ? Buffer.byteLength(text) : text.length * MAX_BYTES_OF_UNIT;
  }
  const array = allocate(TEXT, texts.length, mostBytes);
  let at = HEADER_BYTES;
  for (const text of texts) {
    const length = text === null ? NULL_LENGTH : writeText(array, text, at + LENGTH_BYTES);
    array.writeInt32BE(length, at);
    at += LENGTH_BYTES + Math.max(0, length);
  }
  return array.subarray(0, at);
};
