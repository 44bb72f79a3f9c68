import { TaskFlowError } from '../errors.ts';
import type { PausableSource, SourceListener } from './pausable-source.ts';

/** What may wait for one subscriber, in characters: results of tasks may have a million each. */
const MAX_SIZE = 64 * 1024 * 1024;
/** What `drain` gives at once, in characters. */
const DRAIN_SIZE = 1024 * 1024;
/** Shared by all that are empty: there are many, and most always are. */
const NOTHING: never[] = [];

/**
 * A bounded queue between a feed, which never waits, and one subscriber, who may. A subscriber that falls further behind
 * than the limits is cut off with SLOW_CONSUMER instead of filling the server's memory; it can resume.
 *
 * It is read with `next`, or listened to: that takes no promise for each message.
 */
export class Mailbox<T> implements PausableSource<T>, AsyncIterableIterator<T> {
  readonly #limit: number;
  readonly #onClose: () => void;
  readonly #sizeOf: (message: T) => number;
  #listener: SourceListener<T> | undefined;
  #messages: T[] = NOTHING;
  #head = 0;
  #size = 0;
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #isClosed = false;

  /**
   * @param limit messages that may wait
   * @param onClose called once, when the subscriber has left or was cut off
   * @param sizeOf characters of a message; 64 Mi may wait. Default: sizes do not matter
   */
  constructor(limit: number, onClose: () => void, sizeOf: (message: T) => number = () => 0) {
    this.#limit = limit;
    this.#onClose = onClose;
    this.#sizeOf = sizeOf;
  }

  push(message: T): void {
    if (this.#isClosed) return;
    if (this.#listener) {
      this.#listener.receive(message);
    } else if (this.#waiting) {
      this.#waiting.resolve({ value: message, done: false });
      this.#waiting = undefined;
    } else if (this.#messages.length - this.#head >= this.#limit) {
      this.fail(
        new TaskFlowError('SLOW_CONSUMER', `More than ${this.#limit} messages wait for this subscriber.`, {
          limit: this.#limit,
        }),
      );
    } else if (this.#size >= MAX_SIZE) {
      this.fail(
        new TaskFlowError('SLOW_CONSUMER', `More than ${MAX_SIZE} characters wait for this subscriber.`, {
          limit: MAX_SIZE,
        }),
      );
    } else {
      if (this.#messages === NOTHING) this.#messages = [];
      this.#messages.push(message);
      this.#size += this.#sizeOf(message);
    }
  }

  listen(listener: SourceListener<T>): void {
    if (this.#isClosed) {
      listener.end(this.#takeFailure());
      return;
    }
    this.#listener = listener;
    // Hearing one may make it pause, or leave.
    while (this.#listener === listener && this.#head < this.#messages.length) listener.receive(this.#take());
  }

  pause(): void {
    this.#listener = undefined;
  }

  /** What waits now, without waiting for more: at most `limit` messages, and fewer where they are large. */
  drain(limit: number): T[] {
    const drained: T[] = [];
    const enough = this.#size - DRAIN_SIZE;
    while (drained.length < limit && this.#head < this.#messages.length && this.#size >= enough) {
      drained.push(this.#take());
    }
    return drained;
  }

  /** Cuts the subscriber off: what waits is dropped, and its next read throws `error`. */
  fail(error: Error): void {
    if (this.#isClosed) return;
    this.#empty();
    const listener = this.#listener;
    if (this.#waiting) {
      this.#waiting.reject(error);
      this.#waiting = undefined;
    } else if (!listener) {
      this.#failure = error;
    }
    this.#close();
    listener?.end(error);
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#head < this.#messages.length) return Promise.resolve({ value: this.#take(), done: false });
    const error = this.#takeFailure();
    if (error) return Promise.reject(error);
    if (this.#isClosed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.#empty();
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
    this.#size -= this.#sizeOf(message);
    if (this.#head === this.#messages.length) this.#empty();
    return message;
  }

  #takeFailure(): Error | undefined {
    const error = this.#failure;
    this.#failure = undefined;
    return error;
  }

  #empty(): void {
    this.#messages = NOTHING;
    this.#head = 0;
    this.#size = 0;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener = undefined;
    this.#onClose();
  }
}
