/** What a label says of the values that have no series of their own. */
export const OTHER = 'other';
/** Stands for the code of an operation without an error. */
export const NO_ERROR = 'OK';

/**
 * Bounds how many values a label takes: each value makes a time series, which both ends keep in memory. The first ones keep
 * their names, later ones share "other".
 */
export class BoundedLabel {
  readonly #known = new Set<string>();
  readonly #limit: number;

  /** @param limit how many different values, beside "other" */
  constructor(limit: number) {
    this.#limit = limit;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#limit) return OTHER;
    this.#known.add(value);
    return value;
  }
}

/** Names of queues are the users'. A hundred of them make some ten thousand series, most of them buckets. */
export const boundedQueues = (): BoundedLabel => new BoundedLabel(100);
