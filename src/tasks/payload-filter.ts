import { Prisma } from '../database/client.ts';
import { badInput } from '../errors.ts';
import { containsUnstorable } from './new-task.ts';

/** The value at a place in the payload is equal to this one, as JSON: 1 is 1.0, and the order of keys does not count. */
export interface PayloadFilter {
  /** Keys with dots between, places in a list by their number: "customer.id", "items.0.sku". "\." is a dot inside a key. */
  path: string;
  /** Undefined is refused; null is found where it stands in the payload, not where nothing stands. */
  equals?: unknown;
}

const MAX_FILTERS = 10;
const MAX_PATH_LENGTH = 500;
/** Of `equals`, as JSON. */
const MAX_VALUE_LENGTH = 4_096;

const keysOf = (path: string): string[] => path.split(/(?<!\\)\./).map((key) => key.replaceAll('\\.', '.'));

/** @throws TaskFlowError BAD_USER_INPUT that names the field */
export const checkPayloadFilters = (filters: readonly PayloadFilter[]): void => {
  if (filters.length > MAX_FILTERS) {
    const message = `where.payload has ${filters.length} values; at most ${MAX_FILTERS} are allowed.`;
    throw badInput('where.payload', message, MAX_FILTERS);
  }
  filters.forEach((filter, i) => {
    checkPath(filter.path, `where.payload.${i}.path`);
    checkValue(filter.equals, `where.payload.${i}.equals`);
  });
};

const checkPath = (path: string, field: string): void => {
  if (path.length > MAX_PATH_LENGTH)
    throw badInput(field, `${field} must have at most ${MAX_PATH_LENGTH} characters.`, MAX_PATH_LENGTH);
  if (keysOf(path).includes('')) throw badInput(field, `${field} must be keys with dots between: "customer.id".`);
  if (containsUnstorable(path))
    throw badInput(field, `${field} contains the character NUL or half of a surrogate pair.`);
};

const checkValue = (value: unknown, field: string): void => {
  if (value === undefined) throw badInput(field, `${field} must be given; null is a value.`);
  if (textLength(value) > MAX_VALUE_LENGTH)
    throw badInput(field, `${field} must have at most ${MAX_VALUE_LENGTH} characters as JSON.`, MAX_VALUE_LENGTH);
  if (containsUnstorable(value))
    throw badInput(field, `${field} contains the character NUL or half of a surrogate pair.`);
};

const textLength = (value: unknown): number => {
  try {
    return JSON.stringify(value).length;
  } catch {
    // Nested deeper than the stack.
    return Number.POSITIVE_INFINITY;
  }
};

/** A checked filter as a condition on rows of `tasks`. */
export const toPayloadCondition = ({ path, equals }: PayloadFilter): Prisma.Sql => {
  const keys = keysOf(path);
  const isEqual = Prisma.sql`payload #> ${keys}::text[] = ${JSON.stringify(equals)}::jsonb`;
  // The index that `taskflow payload-index` makes answers containment only, which says nothing of places in lists, and of
  // empty values it has no entries.
  const isIndexed = !keys.some((key) => /^-?\d+$/.test(key)) && (typeof equals !== 'object' || equals === null);
  if (!isIndexed) return isEqual;
  const nested = keys.reduceRight<unknown>((inner, key) => Object.fromEntries([[key, inner]]), equals);
  return Prisma.sql`payload @> ${JSON.stringify(nested)}::jsonb AND ${isEqual}`;
};
