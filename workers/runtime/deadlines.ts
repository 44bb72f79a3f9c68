import { type Attempt, AttemptTimeoutError } from './attempt.ts';

/**
 * Ends attempts that take longer than their task allows. One timer for all, set to the earliest deadline: a timer for
 * each attempt would cost more than many of them take.
 */
export class Deadlines {
  /** By performance.now(), which no change of the clock moves. */
  readonly #deadlines = new Map<Attempt, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** Counts from now. Ends the attempt as failed, with code TIMEOUT, at its deadline, even if its handler goes on. */
  watch(attempt: Attempt, timeoutMs: number): void {
    const deadline = performance.now() + timeoutMs;
    this.#deadlines.set(attempt, deadline);
    if (deadline < this.#timerAt) this.#setTimer(deadline);
  }

  /** The timer stays as it is: setting it anew for each attempt that ended in time costs more than looking in vain. */
  forget(attempt: Attempt): void {
    this.#deadlines.delete(attempt);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#deadlines.clear();
  }

  #setTimer(deadline: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    // Longer waits than setTimeout takes (24.8 days) are cut up.
    const waitMs = Math.min(Math.max(0, Math.ceil(deadline - performance.now())), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#endLate(), waitMs);
    this.#timer.unref();
  }

  #endLate(): void {
    const now = performance.now();
    let earliest = Number.POSITIVE_INFINITY;
    for (const [attempt, deadline] of this.#deadlines) {
      if (deadline <= now) this.#end(attempt);
      else if (deadline < earliest) earliest = deadline;
    }
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (earliest !== Number.POSITIVE_INFINITY) this.#setTimer(earliest);
  }

  #end(attempt: Attempt): void {
    this.#deadlines.delete(attempt);
    const reason = new AttemptTimeoutError(attempt.claim.timeoutMs ?? 0);
    attempt.abort(reason);
    const { message, code } = reason;
    attempt.settle({ kind: 'retry', failure: { message, code } });
  }
}
