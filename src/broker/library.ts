import { readdirSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import packageJson from '../../package.json' with { type: 'json' };
import { BrokerNotReadyError, defineFunction } from './define-function.ts';
import type { Shard } from './lanes.ts';

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
    `redis.register_function{ function_name = 'tf1_version', flags = { 'no-writes' },`,
    `  callback = function() return '${packageJson.version}' end }`,
    ...commands.map((file) => `do\n${read(file)}end`),
  ].join('\n');
};

/** Loads the library into the Redis behind `redis`; one that is there already is replaced. */
export const loadLibrary = async (redis: Redis, states: StateTable): Promise<void> => {
  await redis.function('LOAD', 'REPLACE', buildLibrary(states));
};

const readVersion = defineFunction({ name: 'version', args: [], items: [], reply: String });

/**
 * Loads the library where there is none, or that of an older release. That of a newer release stays: its functions serve the
 * processes of this one too, while newer processes would miss theirs in this one's.
 *
 * @param replaceSame whether that of this very release is loaded again: it may have been changed without a new number
 * @returns whether it was loaded
 */
export const offerLibrary = async (shard: Shard, states: StateTable, replaceSame: boolean): Promise<boolean> => {
  const loaded = await readVersion(shard, {}).catch((error) => {
    // Neither is there a function that says it in the libraries of the first releases.
    if (error instanceof BrokerNotReadyError) return undefined;
    throw error;
  });
  const order = loaded === undefined ? -1 : compareVersions(loaded, packageJson.version);
  if (order > 0 || (order === 0 && !replaceSame)) return false;
  await loadLibrary(shard.redis, states);
  return true;
};

/** @returns below 0 when `a` is of an older release than `b`, 0 when they are the same; what follows a hyphen does not count */
export const compareVersions = (a: string, b: string): number => {
  const numbers = (version: string): number[] => (version.split('-')[0] ?? '').split('.').map(Number);
  const ofB = numbers(b);
  return (
    numbers(a)
      .map((number, i) => number - (ofB[i] ?? 0))
      .find((difference) => difference !== 0) ?? 0
  );
};
