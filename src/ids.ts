import { uuidv7 } from 'uuidv7';

/**
 * A UUIDv7, later than all others of this process: the tasks of a flow, say, have later ones than the flow itself. Made by a
 * library that draws its random bytes many at once: drawn for each id, as `uuid` does, they took an eighth of the time of a
 * bulk submission.
 */
export const newId = (): string => uuidv7();

/** When a task was made, in ms since 1970: the first 48 bits of its id, which is a UUIDv7. */
export const createdAtMs = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
