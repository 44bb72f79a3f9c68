import { readdirSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

const FOLDER = new URL('./functions/', import.meta.url);

/** For each status, the statuses that may follow it, and the statuses of tasks that are live in Redis. */
export interface StateTable {
  moves: Readonly<Record<string, readonly string[]>>;
  live: readonly string[];
}

/** The Lua library: the state table, the shared pieces, then one function a file, inside one scope each. */
export const buildLibrary = (states: StateTable): string => {
  const set = (names: readonly string[]): string => `{ ${names.map((name) => `${name} = true`).join(', ')} }`;
  const moves = Object.entries(states.moves).map(([from, to]) => `${from} = ${set(to)}`);
  const read = (file: string): string => readFileSync(new URL(file, FOLDER), 'utf8');
  const commands = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.lua') && file !== 'shared.lua')
    .sort();
  return [
    '#!lua name=taskflow1',
    `local LEGAL_MOVES = { ${moves.join(', ')} }`,
    `local LIVE = ${set(states.live)}`,
    read('shared.lua'),
    ...commands.map((file) => `do\n${read(file)}end`),
  ].join('\n');
};

/** Loads the library into the Redis behind `redis`; one that is there already is replaced. */
export const loadLibrary = async (redis: Redis, states: StateTable): Promise<void> => {
  await redis.function('LOAD', 'REPLACE', buildLibrary(states));
};
