import { isUniqueViolation } from '../database/outage.ts';
import { TaskFlowError } from '../errors.ts';

export const noSuchSchedule = (id: string): TaskFlowError =>
  new TaskFlowError('NOT_FOUND', `You have no schedule ${id}.`);

/** To be thrown where a schedule could not be written: a name that is taken is the client's fault. */
export const toNameConflict = (error: unknown, name: string): unknown =>
  isUniqueViolation(error)
    ? new TaskFlowError(
        'CONFLICT',
        `You have another schedule named "${name}".`,
        { field: 'input.name' },
        { cause: error },
      )
    : error;
