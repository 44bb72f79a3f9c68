import type { Prisma } from '../database/client.ts';
import type { TaskWhere } from '../tasks/task-where.ts';

/** Lists of which all values must hold: an empty one asks for nothing. */
const CONJUNCTIONS = ['tags', 'payload'];

/** A checked filter as it is stored: what is not given, or asks for nothing, is left out, and times are text. */
export const toFilter = (where: TaskWhere): Prisma.InputJsonObject => {
  const asksNothing = (name: string, value: unknown): boolean =>
    value === null || value === undefined || (CONJUNCTIONS.includes(name) && (value as unknown[]).length === 0);
  const given = Object.entries(where).filter(([name, value]) => !asksNothing(name, value));
  return JSON.parse(JSON.stringify(Object.fromEntries(given)));
};

export const isEmptyFilter = (filter: Prisma.InputJsonObject): boolean => Object.keys(filter).length === 0;

type StoredFilter = Omit<TaskWhere, 'createdAfter' | 'createdBefore'> & {
  createdAfter?: string;
  createdBefore?: string;
};

/** A stored filter as it was given. */
export const toWhere = (filter: Prisma.JsonValue): TaskWhere => {
  const { createdAfter, createdBefore, ...rest } = filter as StoredFilter;
  return {
    ...rest,
    ...(createdAfter && { createdAfter: new Date(createdAfter) }),
    ...(createdBefore && { createdBefore: new Date(createdBefore) }),
  };
};
