import { badInput } from '../errors.ts';
import { checkId } from './task-where.ts';

/** As Relay's connections have it. */
export interface PageRequest {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}

export interface PageSizes {
  initial: number;
  max: number;
}

/** Rows of a page in the order in which they are to be read: by descending id, or by ascending id when it is read backward. */
export interface PageSpan {
  /** Only ids below this one. */
  after: string | undefined;
  /** Only ids above this one. */
  before: string | undefined;
  isBackward: boolean;
  limit: number;
}

export interface Page<T> {
  /** Newest first, but for log lines. */
  nodes: T[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

/** The cursor of a row in a connection: its id. */
const cursorOf = ({ id }: { id: string }): string => id;

/**
 * A page of rows, newest first. The place of a page is the id of its neighbour, not a count: it costs the same however far
 * down it is, and rows that are added meanwhile shift nothing.
 *
 * @param sizes how many rows a page has when nothing is said, and at most
 * @throws TaskFlowError BAD_USER_INPUT for a page that is too large, or a malformed cursor
 */
export const readPage = async <T>(
  page: PageRequest,
  sizes: PageSizes,
  read: (span: PageSpan) => Promise<T[]>,
): Promise<Page<T>> => {
  const size = pageSize(page, sizes);
  const isBackward = isGiven(page.last);
  const after = page.after ? idOfCursor(page.after, 'after') : undefined;
  const before = page.before ? idOfCursor(page.before, 'before') : undefined;
  // One more than asked for shows whether there are more.
  const found = await read({ after, before, isBackward, limit: size + 1 });
  const nodes = found.slice(0, size);
  const hasMore = found.length > size;
  return {
    nodes: isBackward ? nodes.reverse() : nodes,
    hasNextPage: isBackward ? before !== undefined : hasMore,
    hasPreviousPage: isBackward ? hasMore : after !== undefined,
  };
};

/** A page as a Relay connection. */
export const toConnection = <T extends { id: string }>(page: Page<T>) => connectionOf(page, cursorOf);

/** As `toConnection`, of rows that have another cursor than their id. */
export const connectionOf = <T>({ nodes, hasNextPage, hasPreviousPage }: Page<T>, cursor: (node: T) => string) => {
  const edges = nodes.map((node) => ({ cursor: cursor(node), node }));
  const startCursor = edges.at(0)?.cursor ?? null;
  const endCursor = edges.at(-1)?.cursor ?? null;
  return { edges, pageInfo: { hasNextPage, hasPreviousPage, startCursor, endCursor } };
};

const isGiven = (size: number | null | undefined): size is number => size !== null && size !== undefined;

/**
 * How many rows a page has.
 *
 * @param sizes how many when nothing is said, and at most
 * @throws TaskFlowError BAD_USER_INPUT when it is negative or too large, or `first` and `last` are both given
 */
export const pageSize = ({ first, last }: PageRequest, { initial, max }: PageSizes): number => {
  if (isGiven(first) && isGiven(last)) throw badInput('last', 'first and last cannot be given together.');
  const [field, size] = isGiven(last) ? ['last', last] : ['first', first ?? initial];
  if (size < 0) throw badInput(field, `${field} must not be negative.`);
  if (size > max) throw badInput(field, `${field} must be at most ${max}.`, max);
  return size;
};

const idOfCursor = (cursor: string, field: string): string => {
  try {
    return checkId(cursor, field);
  } catch {
    throw badInput(field, `${field} must be a cursor of this connection.`);
  }
};
