import { z } from 'zod';

/** How long a failed task waits for its next attempt. */
export interface BackoffInput {
  /** FIXED: always `delayMs`; EXPONENTIAL: twice as long with each attempt. */
  kind: 'FIXED' | 'EXPONENTIAL';
  /** Before the second attempt. */
  delayMs: number;
  /** Never longer than this. Default: an hour. */
  maxDelayMs?: number | null | undefined;
  /** Which share of the delay is random, 0 to 1. Default: 0.5. */
  jitter?: number | null | undefined;
}

const WEEK_MS = 7 * 24 * 60 * 60 * 1000;
const DEFAULT_MAX_DELAY_MS = 60 * 60 * 1000;
const DEFAULT_JITTER = 0.5;

export const BackoffSchema = z
  .object({
    kind: z.enum(['FIXED', 'EXPONENTIAL']),
    delayMs: z.number().int().min(0).max(WEEK_MS),
    maxDelayMs: z.number().int().min(0).max(WEEK_MS).nullish(),
    jitter: z.number().min(0).max(1).nullish(),
  })
  // A FIXED delay would be cut to it, and an EXPONENTIAL one never grow.
  .refine(({ delayMs, maxDelayMs }) => (maxDelayMs ?? delayMs) >= delayMs, {
    message: 'must not be less than delayMs',
    path: ['maxDelayMs'],
  });

/** As the Lua functions read it: "E:1000:3600000:0.5". */
export const encodeBackoff = ({ kind, delayMs, maxDelayMs, jitter }: BackoffInput): string =>
  [
    kind === 'FIXED' ? 'F' : 'E',
    delayMs,
    maxDelayMs ?? Math.max(delayMs, DEFAULT_MAX_DELAY_MS),
    (jitter ?? DEFAULT_JITTER).toFixed(3),
  ].join(':');

const ENCODED = /^[FE]:\d{1,9}:\d{1,9}:(0(\.\d+)?|1(\.0+)?)$/;

/** Whether a text is what `encodeBackoff` writes, within the bounds of what tasks may ask for. */
export const isEncodedBackoff = (text: string): boolean =>
  ENCODED.test(text) && BackoffSchema.safeParse(decodeBackoff(text)).success;

/** @returns null for the default backoff */
export const decodeBackoff = (text: string | null): Required<BackoffInput> | null => {
  if (text === null) return null;
  const [kind, delayMs, maxDelayMs, jitter] = text.split(':');
  return {
    kind: kind === 'F' ? 'FIXED' : 'EXPONENTIAL',
    delayMs: Number(delayMs),
    maxDelayMs: Number(maxDelayMs),
    jitter: Number(jitter),
  };
};
