/** When a task was made, in ms since 1970: the first 48 bits of its id, which is a UUIDv7. */
export const createdAtMs = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
