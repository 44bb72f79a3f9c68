import type { PayloadFilter, TaskStatus, TaskWhere } from '../schema.generated.ts';

export const STATUSES: readonly TaskStatus[] = [
  'SCHEDULED',
  'WAITING',
  'QUEUED',
  'PROCESSING',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
];

/** What the list of tasks is filtered by, as it stands in the address. Lists have commas between. */
export interface TaskFilter {
  /** For admins: whose. A username, an email, or an id. */
  owner?: string;
  status?: string;
  type?: string;
  queue?: string;
  /** All of them must be there. */
  tag?: string;
  /** ISO 8601. */
  since?: string;
  until?: string;
  /** A place in the payload, as docs/search.md has it: "customer.country". */
  path?: string;
  /** What stands there: JSON, or else a text. Only with `path`; null when it is not given. */
  equals?: string;
}

const NAMES = ['owner', 'status', 'type', 'queue', 'tag', 'since', 'until', 'path', 'equals'] as const;

/** Takes what it knows from an address; whatever else was typed there is left out. */
export const readFilter = (search: Record<string, unknown>): TaskFilter => {
  const filter: TaskFilter = {};
  for (const name of NAMES) {
    const value = search[name];
    // The router reads 42 and true as what they look like.
    const text = typeof value === 'string' || value === undefined || value === null ? value : JSON.stringify(value);
    if (text && isKnown(name, text)) filter[name] = text;
  }
  return filter;
};

const isKnown = (name: (typeof NAMES)[number], text: string): boolean => {
  if (name === 'since' || name === 'until') return !Number.isNaN(Date.parse(text));
  return name !== 'status' || statusesOf(text).length > 0;
};

const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean);

export const statusesOf = (text: string | undefined): TaskStatus[] => {
  const names = listOf(text).map((name) => name.toUpperCase());
  return STATUSES.filter((status) => names.includes(status));
};

export const isFiltered = (filter: TaskFilter): boolean => Object.keys(filter).length > 0;

/**
 * The filter as the API takes it.
 *
 * @param ownerId of `filter.owner`
 */
export const whereOf = (filter: TaskFilter, ownerId: string | undefined): TaskWhere => {
  const where: TaskWhere = ownerId === undefined ? {} : { ownerId };
  const lists = { type: listOf(filter.type), queue: listOf(filter.queue), tags: listOf(filter.tag) };
  for (const name of ['type', 'queue', 'tags'] as const) if (lists[name].length > 0) where[name] = lists[name];
  const status = statusesOf(filter.status);
  if (status.length > 0) where.status = status;
  if (filter.since) where.createdAfter = new Date(filter.since).toISOString();
  if (filter.until) where.createdBefore = new Date(filter.until).toISOString();
  if (filter.path) where.payload = [payloadOf(filter.path, filter.equals)];
  return where;
};

const payloadOf = (path: string, equals: string | undefined): PayloadFilter => ({ path, equals: parse(equals) });

const parse = (text: string | undefined): unknown => {
  if (text === undefined) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/**
 * What to watch for a filter: changes in whatever status, since those of the tasks that are shown count, and not by payload, of
 * which changes say nothing.
 */
export const watchedOf = ({ status: _status, payload: _payload, ...where }: TaskWhere): TaskWhere => where;
