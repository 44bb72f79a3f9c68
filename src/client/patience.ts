import { setTimeout as wait } from 'node:timers/promises';
import { ApiError, isFaults, toApiError } from './errors.ts';

export interface PatienceOptions {
  /** How long the API may be away at a stretch before it is given up, in ms. Default: 5 minutes. */
  patienceMs?: number | undefined;
  /** Ends the waiting with its reason. */
  signal?: AbortSignal | undefined;
}

const DEFAULT_PATIENCE_MS = 5 * 60 * 1_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** The API is there, but not now. */
const PASSING_CODES = new Set(['UNAVAILABLE', 'SLOW_CONSUMER', 'RATE_LIMITED']);
/** Of a WebSocket: bad credentials and faults of the protocol, which another try would meet as well. */
const FINAL_CLOSE_CODES = new Map([
  [4400, 'BAD_USER_INPUT'],
  [4401, 'UNAUTHENTICATED'],
  [4403, 'FORBIDDEN'],
  [4406, 'BAD_USER_INPUT'],
]);

/** Waits between tries: 100 ms, 200 ms, … at most 5 s, or as long as the API says. */
export class Patience {
  readonly #patienceMs: number;
  readonly #signal: AbortSignal | undefined;
  #tries = 0;
  #awaySince: number | undefined;

  constructor({ patienceMs = DEFAULT_PATIENCE_MS, signal }: PatienceOptions) {
    this.#patienceMs = patienceMs;
    this.#signal = signal;
  }

  /** It answered. */
  reset(): void {
    this.#tries = 0;
    this.#awaySince = undefined;
  }

  /**
   * Waits until another try makes sense.
   *
   * @param error what the last one failed with
   * @throws ApiError when none does, or when the API was away for too long; the signal's reason when that aborts
   */
  async endure(error: unknown): Promise<void> {
    this.#signal?.throwIfAborted();
    const fault = toFault(error);
    this.#awaySince ??= performance.now();
    const asked = (fault.retryAfter ?? 0) * 1_000;
    const waitMs = asked || Math.min(FIRST_WAIT_MS * 2 ** Math.min(this.#tries++, 10), LONGEST_WAIT_MS);
    const isOver = performance.now() + waitMs > this.#awaySince + this.#patienceMs;
    if (isOver || !PASSING_CODES.has(fault.code)) throw fault;
    await wait(waitMs, undefined, { signal: this.#signal }).catch((aborted) => {
      this.#signal?.throwIfAborted();
      throw aborted;
    });
  }
}

const toFault = (error: unknown): ApiError => {
  if (error instanceof ApiError) return error;
  if (isFaults(error)) return toApiError(error);
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  const final = typeof code === 'number' ? FINAL_CLOSE_CODES.get(code) : undefined;
  const message = typeof reason === 'string' && reason !== '' ? reason : 'the connection to the API was lost';
  return new ApiError(message, { code: final ?? 'UNAVAILABLE' }, { cause: error });
};
