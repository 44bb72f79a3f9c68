import type { Prisma } from '../database/client.ts';
import type { TaskWhere } from '../tasks/task-where.ts';

/** A checked filter as it is stored: what is not given is left out, and times are text. */
export const toFilter = (where: TaskWhere): Prisma.InputJsonObject => {
  const given = Object.entries(where).filter(([, value]) => value !== null && value !== undefined);
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
