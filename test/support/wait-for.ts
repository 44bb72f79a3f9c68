import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Default: 20 s. */
  timeoutMs?: number;
  /** What is waited for, for the message: "the task is COMPLETED". */
  what?: string;
}

const STEP_MS = 10;

/**
 * Polls in short steps until `condition` gives something truthy, and returns that. For states that have no event to wait
 * for. When the time is up it fails with `what`, the last value, and the last error of the condition, which may throw.
 */
export const waitFor = async <T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<Awaited<T>, false | null | undefined>> => {
  const { timeoutMs = 20_000, what = 'the condition holds' } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let seen: unknown;
    let failure: unknown;
    try {
      seen = await condition();
      if (seen) return seen as Exclude<Awaited<T>, false | null | undefined>;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) {
      const last = failure === undefined ? `last seen: ${JSON.stringify(seen)}` : `last error: ${failure}`;
      throw new Error(`waited ${timeoutMs} ms in vain until ${what} (${last})`, { cause: failure });
    }
    await sleep(STEP_MS);
  }
};
