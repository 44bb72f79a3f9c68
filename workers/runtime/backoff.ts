const FIRST_MS = 50;
/** A Redis that is back is noticed within a second. */
const LONGEST_MS = 1_000;

/** Waits between tries against something that is away: 50 ms, 100 ms, … at most 1 s. */
export class Backoff {
  #failures = 0;

  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure. @returns how long to wait before the next try, in ms */
  next(): number {
    // The exponent is bounded too: hours of failures must not overflow it.
    return Math.min(FIRST_MS * 2 ** Math.min(this.#failures++, 5), LONGEST_MS);
  }

  reset(): void {
    this.#failures = 0;
  }
}
