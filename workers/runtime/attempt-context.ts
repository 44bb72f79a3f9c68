import type { Logger } from 'pino';
import type { Attempt } from './attempt.ts';
import type { TaskContext } from './define-task.ts';

/** What a handler sees of its attempt. Signal and logger are made when a handler first asks for them. */
export class AttemptContext<Payload> implements TaskContext<Payload> {
  readonly payload: Payload;
  readonly #attempt: Attempt;
  readonly #parentLogger: Logger;
  #logger: Logger | undefined;

  constructor(attempt: Attempt, payload: Payload, logger: Logger) {
    this.payload = payload;
    this.#attempt = attempt;
    this.#parentLogger = logger;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get taskId(): string {
    return this.#attempt.claim.id;
  }

  get attempt(): number {
    return this.#attempt.claim.attempt;
  }

  get maxAttempts(): number {
    return this.#attempt.claim.maxAttempts;
  }

  get ownerId(): string {
    return this.#attempt.claim.ownerId;
  }

  get queue(): string {
    return this.#attempt.claim.queue;
  }

  get logger(): Logger {
    const { id, type, attempt } = this.#attempt.claim;
    this.#logger ??= this.#parentLogger.child({ taskId: id, type, attempt });
    return this.#logger;
  }
}
