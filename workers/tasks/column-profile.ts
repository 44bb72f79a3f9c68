import { createHash } from 'node:crypto';
import { type ColumnType, isBoolean, isDate, parseNumber } from './csv-values.ts';

/** What is known about a column in the end. */
export interface ColumnSummary {
  name: string;
  type: ColumnType;
  /** Rows where it is blank or absent. */
  missing: number;
  /** Different values, as text. Where `isDistinctCapped`, there are more than this. */
  distinct: number;
  isDistinctCapped: boolean;
  /** The most frequent values, most frequent first; among the counted ones, where distinct ones are capped. */
  top: { value: string; count: number }[];
  min?: number;
  max?: number;
  mean?: number;
  /** Of a sample (n - 1); null for a single value. */
  stddev?: number | null;
  /** Lengths in UTF-16 units, of strings. */
  shortest?: number;
  longest?: number;
}

const TOP_VALUES = 5;
/** Longer values are counted by a digest: ten thousand different ones of a megabyte each must fit. */
const MAX_KEPT_LENGTH = 100;

/** Mean and spread in one pass, by Welford's method: sums of squares lose all digits where the mean is large. */
class Moments {
  #count = 0;
  #mean = 0;
  #squares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    const delta = value - this.#mean;
    this.#mean += delta / ++this.#count;
    this.#squares += delta * (value - this.#mean);
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  summary(): { min: number; max: number; mean: number; stddev: number | null } {
    const stddev = this.#count > 1 ? Math.sqrt(this.#squares / (this.#count - 1)) : null;
    return { min: this.#min, max: this.#max, mean: this.#mean, stddev };
  }
}

/** Looks at a column's values one by one, in memory that does not grow with the rows. */
export class ColumnProfile {
  readonly #name: string;
  readonly #maxDistinct: number;
  readonly #counts = new Map<string, number>();
  readonly #moments = new Moments();
  #isDistinctCapped = false;
  #present = 0;
  #missing = 0;
  #shortest = Number.POSITIVE_INFINITY;
  #longest = 0;
  // Once one value contradicts a type, the others need no look.
  #isNumber = true;
  #isBoolean = true;
  #isDate = true;

  /** @param maxDistinct how many different values are counted */
  constructor(name: string, maxDistinct: number) {
    this.#name = name;
    this.#maxDistinct = maxDistinct;
  }

  /** @param raw undefined where the row ended before this column */
  add(raw: string | undefined): void {
    const value = raw?.trim() ?? '';
    if (value === '') {
      this.#missing++;
      return;
    }
    this.#present++;
    this.#narrowType(value);
    this.#count(value);
    if (value.length < this.#shortest) this.#shortest = value.length;
    if (value.length > this.#longest) this.#longest = value.length;
  }

  summary(): ColumnSummary {
    const type = this.#type();
    return {
      name: this.#name,
      type,
      missing: this.#missing,
      distinct: this.#counts.size,
      isDistinctCapped: this.#isDistinctCapped,
      top: this.#top(),
      ...(type === 'number' ? this.#moments.summary() : {}),
      ...(type === 'string' ? { shortest: this.#shortest, longest: this.#longest } : {}),
    };
  }

  #narrowType(value: string): void {
    if (this.#isNumber) {
      const number = parseNumber(value);
      if (number === undefined) this.#isNumber = false;
      else this.#moments.add(number);
    }
    if (this.#isBoolean) this.#isBoolean = isBoolean(value);
    if (this.#isDate) this.#isDate = isDate(value);
  }

  #count(value: string): void {
    const key = value.length > MAX_KEPT_LENGTH ? digestOf(value) : value;
    const count = this.#counts.get(key);
    if (count !== undefined) this.#counts.set(key, count + 1);
    else if (this.#counts.size < this.#maxDistinct) this.#counts.set(key, 1);
    else this.#isDistinctCapped = true;
  }

  #type(): ColumnType {
    if (this.#present === 0) return 'empty';
    if (this.#isNumber) return 'number';
    if (this.#isBoolean) return 'boolean';
    return this.#isDate ? 'date' : 'string';
  }

  #top(): ColumnSummary['top'] {
    return [...this.#counts]
      .sort(([, a], [, b]) => b - a)
      .slice(0, TOP_VALUES)
      .map(([key, count]) => ({ value: key.split('\0', 1)[0] ?? '', count }));
  }
}

/** The beginning for people, then a digest after a NUL. The detour over bytes lets go of the long text behind the slice. */
const digestOf = (value: string): string => {
  const digest = createHash('sha1').update(value).digest('base64');
  return Buffer.from(`${value.slice(0, MAX_KEPT_LENGTH - 1)}…\0${digest}`).toString();
};
