import type { ExecutionResult } from 'graphql';
import type { PausableSource, SourceListener } from '../realtime/pausable-source.ts';

export interface PushedParts {
  /** Values of which each gives a result. */
  source: PausableSource<unknown>;
  /** The result of a value as JSON text, at once; undefined where it takes an execution. */
  write: (value: unknown) => string | undefined;
  /** The result of a value as JSON text. */
  execute: (value: unknown) => Promise<string>;
  /** Sends a result. @returns when the client can take the next one; undefined for at once */
  send: (text: string) => Promise<void> | undefined;
  /** What the client shall know of an error that cut the source off. */
  maskError: (error: unknown) => Error;
  /** Called once, when there are no more. */
  onEnd: () => void;
}

/**
 * Results of a subscription that go to their client by themselves, without a promise for each. To the protocol they are an
 * iterator that has nothing to say until it ends: with a last result, an error, or nothing.
 */
export class PushedResults implements SourceListener<unknown>, AsyncIterableIterator<ExecutionResult> {
  readonly #parts: PushedParts;
  #hasBegun = false;
  #end: (() => Promise<IteratorResult<ExecutionResult>>) | undefined;
  #waiting: ((result: Promise<IteratorResult<ExecutionResult>>) => void) | undefined;

  constructor(parts: PushedParts) {
    this.#parts = parts;
  }

  /** For the source. */
  receive(value: unknown): void {
    const { source, write, execute, send } = this.#parts;
    const text = write(value);
    // After an execution, the subscription may have ended.
    const sent = text === undefined ? execute(value).then((late) => (this.#end ? undefined : send(late))) : send(text);
    if (!sent) return;
    source.pause();
    sent.then(
      () => {
        if (!this.#end) source.listen(this);
      },
      (error) => {
        void source.return();
        this.end(error);
      },
    );
  }

  /** For the source. */
  end(error: Error | undefined): void {
    if (error) this.#finish(() => Promise.reject(this.#parts.maskError(error)));
    else this.#finish(finished);
  }

  /** Ends them from outside: what is on its way to the client still arrives, then this. */
  endWith(last: ExecutionResult): void {
    void this.#parts.source.return();
    this.#finish(() => Promise.resolve({ value: last, done: false }));
  }

  next(): Promise<IteratorResult<ExecutionResult>> {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#parts.source.listen(this);
    }
    const end = this.#end;
    if (end) {
      this.#end = finished;
      return end();
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    await this.#parts.source.return();
    this.#finish(finished);
    return finished();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(end: () => Promise<IteratorResult<ExecutionResult>>): void {
    if (this.#end) return;
    this.#end = this.#waiting ? finished : end;
    this.#waiting?.(end());
    this.#waiting = undefined;
    this.#parts.onEnd();
  }
}

const finished = (): Promise<IteratorResult<ExecutionResult>> => Promise.resolve({ value: undefined, done: true });
