import { type Attempt, AttemptTimeoutError } from './attempt.ts';

/** How long a handler may take to end once it was told that its time is up; then it is given up. In ms. */
const TIMEOUT_GRACE_MS = 2_000;

/**
 * Ends attempts that take longer than their task allows: their handlers are told to stop at the deadline, and given up after a
 * grace period. One timer for all, set to the earliest deadline: a timer for
 * each attempt would cost more than many of them take.
 */
export class Deadlines {
  /** By performance.now(), which no change of the clock moves. */
  readonly #deadlines = new Map<Attempt, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  readonly #graceMs: number;

  /** @param graceMs how long handlers may take to end after their deadline. Default: 2 s */
  constructor(graceMs = TIMEOUT_GRACE_MS) {
    this.#graceMs = graceMs;
  }

  /** Counts from now. Ends the attempt as failed, with code TIMEOUT, even if its handler goes on after the grace period. */
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
    }
    for (const deadline of this.#deadlines.values()) earliest = Math.min(earliest, deadline);
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (earliest !== Number.POSITIVE_INFINITY) this.#setTimer(earliest);
  }

  /** First the handler is told; when it has not ended after the grace period, it is given up. */
  #end(attempt: Attempt): void {
    const { abortReason } = attempt;
    if (abortReason instanceof AttemptTimeoutError) {
      this.#deadlines.delete(attempt);
      attempt.settle({ kind: 'retry', failure: { message: abortReason.message, code: abortReason.code } });
      return;
    }
    attempt.abort(new AttemptTimeoutError(attempt.claim.timeoutMs ?? 0));
    // One that was told to stop for another reason is given up at the same time.
    if (attempt.abortReason instanceof AttemptTimeoutError)
      this.#deadlines.set(attempt, performance.now() + this.#graceMs);
    else this.#deadlines.delete(attempt);
  }
}
