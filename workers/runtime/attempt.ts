import type { Claim } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import type { AttemptSpan } from '../../src/tracing/tracing.ts';
import type { Outcome } from './outcome.ts';

/** Reason of an aborted signal: another worker may have the task by now, so whatever is done here is in vain. */
export class LeaseLostError extends Error {
  override name = 'LeaseLostError';
  constructor() {
    super('the lease of this attempt was lost');
  }
}

/** Reason of an aborted signal: the worker shuts down, and the task is handed back. */
export class WorkerStoppingError extends Error {
  override name = 'WorkerStoppingError';
  constructor() {
    super('the worker shuts down');
  }
}

/** Reason of an aborted signal: somebody cancelled the task. However the attempt ends now, the task is CANCELLED. */
export class CancelRequestedError extends Error {
  override name = 'CancelRequestedError';
  readonly code = 'CANCELLED';
  /** @param reason JSON text, as it was given with the cancellation */
  constructor(reason: string) {
    super('the task was cancelled', { cause: reason });
  }
}

/** Reason of an aborted signal: the attempt took longer than the task's `timeoutMs`. */
export class AttemptTimeoutError extends Error {
  override name = 'AttemptTimeoutError';
  readonly code = 'TIMEOUT';
  constructor(timeoutMs: number) {
    super(`the attempt did not end within ${timeoutMs} ms`);
  }
}

/** One run of a task by this worker, from its claim until its outcome was accepted. */
export class Attempt {
  readonly claim: Claim;
  readonly shard: Shard;
  /** How it ended. The first to settle it decides: the handler, its deadline, the loss of its lease, or the shutdown. */
  readonly outcome: Promise<Outcome>;
  /** Where its task is traced, and this worker collects traces. */
  span: AttemptSpan | undefined = undefined;
  readonly #resolve: (outcome: Outcome) => void;
  // Most handlers never look at their signal, and a controller costs more than the rest of an attempt.
  #controller: AbortController | undefined;
  #abortReason: Error | undefined;
  #isLost = false;
  #isSettled = false;

  constructor(claim: Claim, shard: Shard) {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.claim = claim;
    this.shard = shard;
    this.outcome = promise;
    this.#resolve = resolve;
  }

  /** W3C Trace Context that its handler passes on; undefined where its task is not traced. */
  get traceparent(): string | undefined {
    return this.span?.traceparent ?? this.claim.traceparent;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abortReason) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** The lease is gone: nothing may be reported any more. */
  get isLost(): boolean {
    return this.#isLost;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Why its handler was told to stop; undefined while it was not. */
  get abortReason(): Error | undefined {
    return this.#abortReason;
  }

  /** The worker shuts down: unless the handler still succeeds, the task is handed back. */
  get isHandedBack(): boolean {
    return this.#abortReason instanceof WorkerStoppingError;
  }

  settle(outcome: Outcome): void {
    this.#isSettled = true;
    this.#resolve(outcome);
  }

  /** Tells the handler to stop. Only the first reason counts. */
  abort(reason: Error): void {
    if (this.#abortReason) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Gives it up without waiting for its handler, whose slot is needed. */
  lose(): void {
    this.#isLost = true;
    this.abort(new LeaseLostError());
    this.settle({ kind: 'released' });
  }
}
