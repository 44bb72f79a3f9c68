import { readFileSync } from 'node:fs';
import { usageError } from './exit-codes.ts';
import { readInput } from './prompt.ts';

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** "500ms", "30s", "5m", "2h", "7d", "1w" in ms. @throws CommandError USAGE */
export const parseDuration = (text: string): number => {
  const ms = durationOf(text);
  if (ms === undefined)
    throw usageError(`${text} is no length of time.`, 'Give a number with ms, s, m, h, d or w: 90s, 2h, 7d.');
  return ms;
};

/** Is it a length of time, and no time? */
export const isDuration = (text: string): boolean => durationOf(text) !== undefined;

const durationOf = (text: string): number | undefined => {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text) ?? [];
  return unit === undefined ? undefined : Math.round(Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS]);
};

/** So long before now ("2h"), or a time ("2030-01-31", "2030-01-31T12:00Z"), as ISO 8601. @throws CommandError USAGE */
export const parsePast = (text: string): string => parseTime(text, -1);

/** So long from now, or a time, as ISO 8601. @throws CommandError USAGE */
export const parseFuture = (text: string): string => parseTime(text, 1);

const parseTime = (text: string, direction: -1 | 1): string => {
  const ms = durationOf(text);
  const at = new Date(ms === undefined ? text : Date.now() + direction * ms);
  if (Number.isNaN(at.getTime())) {
    throw usageError(`${text} is no time.`, 'Give a length, as 90s, 2h or 7d, or a time, as 2030-01-31T12:00Z.');
  }
  return at.toISOString();
};

/** A whole number that is not negative. @throws CommandError USAGE */
export const parseCount = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`${text} is no whole number.`);
  return Number(text);
};

/** JSON as it stands, of a file (`@tasks.json`), or of stdin (`-`). @throws CommandError USAGE */
export const readJson = async (given: string, what: string): Promise<unknown> => {
  const text = given === '-' ? await readInput(what) : given.startsWith('@') ? readText(given.slice(1)) : given;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(
      `${what} is no JSON: ${(error as Error).message}`,
      'Give it in quotes, \'{"ms":100}\', as @file.json, or as - for stdin.',
    );
  }
};

/** The whole of a file. @throws CommandError USAGE */
export const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
};
