/** Who listens to a source. */
export interface SourceListener<T> {
  receive(value: T): void;
  /** Nothing more comes. @param error why it was cut off; undefined when all was said */
  end(error: Error | undefined): void;
}

/** Values that come by themselves: listening to them takes no promise for each. */
export interface PausableSource<T> {
  /** Hands values over as they come, those that wait first. Once it has ended, it says so at once. */
  listen(listener: SourceListener<T>): void;
  /** Lets values wait until somebody listens again. */
  pause(): void;
  /** Ends it. The listener hears nothing more. */
  return(): Promise<unknown>;
}

export const toPausable = <T>(source: AsyncIterable<T>): PausableSource<T> =>
  isPausable<T>(source) ? source : new PulledSource(source[Symbol.asyncIterator]());

const isPausable = <T>(source: object): source is PausableSource<T> => 'listen' in source && 'pause' in source;

/** Takes one value after the other from an iterator, at the pace of its listener. */
class PulledSource<T> implements PausableSource<T> {
  readonly #source: AsyncIterator<T>;
  #listener: SourceListener<T> | undefined;
  #isPulling = false;
  /** What came of the last pull while nobody listened. */
  #held: ((listener: SourceListener<T>) => void) | undefined;

  constructor(source: AsyncIterator<T>) {
    this.#source = source;
  }

  listen(listener: SourceListener<T>): void {
    this.#listener = listener;
    const held = this.#held;
    this.#held = undefined;
    held?.(listener);
    if (this.#listener === listener && !this.#isPulling) void this.#pull();
  }

  pause(): void {
    this.#listener = undefined;
  }

  async return(): Promise<void> {
    this.#listener = undefined;
    this.#held = undefined;
    await this.#source.return?.();
  }

  async #pull(): Promise<void> {
    this.#isPulling = true;
    while (this.#listener) {
      const tell = await this.#next();
      if (this.#listener) tell(this.#listener);
      else this.#held = tell;
    }
    this.#isPulling = false;
  }

  async #next(): Promise<(listener: SourceListener<T>) => void> {
    const end = (error: Error | undefined) => (listener: SourceListener<T>) => {
      this.#listener = undefined;
      listener.end(error);
    };
    try {
      const { value, done } = await this.#source.next();
      return done ? end(undefined) : (listener) => listener.receive(value);
    } catch (error) {
      return end(error as Error);
    }
  }
}
