import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type Readiness, toReadiness } from '../readiness.ts';

/**
 * The time between being told to stop and stopping. A proxy learns by /readyz that this api goes away; until it has, its
 * requests are answered as ever, but each answer closes its connection, so that the next one looks for another api.
 */
export class Drain {
  readonly #checkReadiness: () => Promise<Readiness>;
  readonly #durationMs: number;
  #hasBegun = false;

  constructor(checkReadiness: () => Promise<Readiness>, durationMs: number) {
    this.#checkReadiness = checkReadiness;
    this.#durationMs = durationMs;
  }

  checkReadiness = async (): Promise<Readiness> =>
    this.#hasBegun ? toReadiness({ process: 'stopping' }) : this.#checkReadiness();

  /** Marks an answer that has not begun yet. */
  mark(response: ServerResponse): void {
    if (this.#hasBegun) response.setHeader('connection', 'close');
  }

  /** Begins it; settles at its end. */
  async begin(): Promise<void> {
    this.#hasBegun = true;
    await delay(this.#durationMs);
  }
}
