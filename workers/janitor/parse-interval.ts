import { badInput } from '../../src/errors.ts';

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** setTimeout counts the ms in 31 bits. */
const MAX_MS = 2 ** 31 - 1;

/**
 * Reads an interval: "500ms", "30s", "5m", "1h", "1d".
 *
 * @returns ms
 * @throws TaskFlowError BAD_USER_INPUT for anything else, zero, and more than 24 days
 */
export const parseInterval = (text: string): number => {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Math.round(Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS]);
  if (!(ms >= 1 && ms <= MAX_MS))
    throw badInput('every', `${text} is no interval: give a number with ms, s, m, h or d, up to 24d.`);
  return ms;
};
