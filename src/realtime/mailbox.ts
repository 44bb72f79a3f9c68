import { TaskFlowError } from '../errors.ts';

/**
 * A bounded queue between a feed, which never waits, and one subscriber, who may. A subscriber that falls further behind
 * than the limit is cut off with SLOW_CONSUMER instead of filling the server's memory; it can resume.
 */
export class Mailbox<T> implements AsyncIterableIterator<T> {
  readonly #limit: number;
  readonly #onClose: () => void;
  #messages: T[] = [];
  #head = 0;
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #isClosed = false;

  /**
   * @param limit messages that may wait
   * @param onClose called once, when the subscriber has left or was cut off
   */
  constructor(limit: number, onClose: () => void) {
    this.#limit = limit;
    this.#onClose = onClose;
  }

  push(message: T): void {
    if (this.#isClosed) return;
    if (this.#waiting) {
      this.#waiting.resolve({ value: message, done: false });
      this.#waiting = undefined;
    } else if (this.#messages.length - this.#head >= this.#limit) {
      this.fail(new TaskFlowError('SLOW_CONSUMER', `More than ${this.#limit} messages wait for this subscriber.`, { limit: this.#limit }));
    } else {
      this.#messages.push(message);
    }
  }

  /** Cuts the subscriber off: what waits is dropped, and its next read throws `error`. */
  fail(error: Error): void {
    if (this.#isClosed) return;
    this.#messages = [];
    this.#head = 0;
    if (this.#waiting) {
      this.#waiting.reject(error);
      this.#waiting = undefined;
    } else {
      this.#failure = error;
    }
    this.#close();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#head < this.#messages.length) return Promise.resolve({ value: this.#take(), done: false });
    if (this.#failure) {
      const error = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#isClosed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.#messages = [];
    this.#head = 0;
    this.#close();
    this.#waiting?.resolve({ value: undefined, done: true });
    this.#waiting = undefined;
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  // Shifting an array of thousands for each message would be quadratic: it is emptied in one go when all was read.
  #take(): T {
    const message = this.#messages[this.#head++] as T;
    if (this.#head === this.#messages.length) {
      this.#messages = [];
      this.#head = 0;
    }
    return message;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }
}
