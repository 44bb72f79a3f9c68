import type { Command } from 'commander';
import { collect } from './define.ts';
import { usageError } from './exit-codes.ts';
import { parsePast } from './values.ts';

/** The options with which tasks are chosen. */
export interface FilterOptions {
  status?: string[];
  type?: string[];
  queue?: string[];
  tag?: string[];
  since?: string;
  until?: string;
  payload?: { path: string; equals: unknown }[];
}

export const STATUSES = ['SCHEDULED', 'WAITING', 'QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;

/** Adds them to a command. */
export const withFilter = (command: Command): Command =>
  command
    .option('--status <names>', `any of these: ${STATUSES.join(', ').toLowerCase()}`, collectStatuses)
    .option('--type <names>', 'of any of these task types', collect)
    .option('--queue <names>', 'in any of these queues', collect)
    .option('--tag <tags>', 'with all of these tags', collect)
    .option('--since <time>', 'submitted since: 30m, 2h, 7d, or a time as 2030-01-31T12:00Z', parsePast)
    .option('--until <time>', 'submitted before, as --since', parsePast)
    .option('--payload <path=value>', 'with this value there in the payload; may be repeated', collectPayload);

/** The API's filter, or undefined where none of the options is given. */
export const toWhere = (options: FilterOptions): Record<string, unknown> | undefined => {
  const { status, type, queue, tag, since, until, payload } = options;
  const given = { status, type, queue, tags: tag, createdAfter: since, createdBefore: until, payload };
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
};

const collectStatuses = (text: string, before: readonly string[] = []): string[] => {
  const names = collect(text, before).map((name) => name.toUpperCase());
  const unknown = names.find((name) => !(STATUSES as readonly string[]).includes(name));
  if (unknown) throw usageError(`${unknown} is no status.`, `There are ${STATUSES.join(', ')}.`);
  return names;
};

/** `customer.country=CH`, `items.0.count=3`: the value is JSON where it can be read as that, else text. */
const collectPayload = (text: string, before: FilterOptions['payload'] = []): FilterOptions['payload'] => {
  const at = text.indexOf('=');
  if (at < 1) throw usageError(`${text} is no place with a value.`, 'Give it as customer.country=CH.');
  return [...before, { path: text.slice(0, at), equals: readValue(text.slice(at + 1)) }];
};

const readValue = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};
