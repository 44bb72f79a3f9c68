/** How much wider each bucket is than the one before: a figure is off by 2.5 % at most, and by no more than 1 ms below 40 ms. */
const GROWTH = 1.05;
const LOG_GROWTH = Math.log(GROWTH);
/** The last one begins after a good month. */
const BUCKETS = 450;

export interface LatencyFigures {
  count: number;
  /** Whole ms. */
  p50Ms: number;
  p99Ms: number;
}

/** Durations counted in buckets: its memory is the same for one and for a million. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;

  /** @param ms negative ones, of clocks that disagree, count as 0 */
  add(ms: number): void {
    const bucket = Math.floor(Math.log1p(Math.max(0, ms)) / LOG_GROWTH);
    const place = Math.min(bucket, BUCKETS - 1);
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#count++;
  }

  /** What was added since the last call, which begins anew. @returns null where there was nothing */
  take(): LatencyFigures | null {
    if (this.#count === 0) return null;
    const figures = { count: this.#count, p50Ms: this.#quantile(0.5), p99Ms: this.#quantile(0.99) };
    this.#counts.fill(0);
    this.#count = 0;
    return figures;
  }

  #quantile(share: number): number {
    const rank = Math.ceil(this.#count * share);
    let seen = 0;
    const bucket = this.#counts.findIndex((count) => {
      seen += count;
      return seen >= rank;
    });
    // The middle of the bucket.
    return Math.round(Math.expm1((bucket + 0.5) * LOG_GROWTH));
  }
}
