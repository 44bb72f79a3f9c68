import type { Database } from '../database/client.ts';
import { badInput } from '../errors.ts';
import type { Task } from './task-store.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @throws TaskFlowError BAD_USER_INPUT when it is no UUID */
export const checkId = (id: string, field = 'id'): string => {
  if (!UUID.test(id)) throw badInput(field, `${field} must be a UUID.`);
  return id.toLowerCase();
};

/**
 * @param ownerId whose it must be; undefined for an admin
 * @returns the task, or null where there is none of this owner's
 * @throws TaskFlowError BAD_USER_INPUT when the id is no UUID
 */
export const findTask = async (database: Database, ownerId: string | undefined, id: string): Promise<Task | null> => {
  const task = await database.task.findUnique({ where: { id: checkId(id) } });
  return task && (ownerId === undefined || task.ownerId === ownerId) ? task : null;
};
