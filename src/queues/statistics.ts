import { LRUCache } from 'lru-cache';
import { createdAtMs } from '../ids.ts';
import type { CountedTransition } from '../realtime/change.ts';
import { type LatencyFigures, LatencyHistogram } from './latency-histogram.ts';
import type { LiveCounts } from './live-counts.ts';

/** What happened in a window of time, a second. */
export interface StatisticsRates {
  submitted: number;
  started: number;
  completed: number;
  failed: number;
  cancelled: number;
}

/** What happened in a window, and how long it took. */
export interface WindowFigures {
  /** 0 in the first message, of which nothing is known yet. */
  windowMs: number;
  rates: StatisticsRates;
  /** From the submission to COMPLETED; null where nothing was completed. */
  completion: LatencyFigures | null;
  /** From the last time it was QUEUED until a worker began; null where nothing began. */
  queueWait: LatencyFigures | null;
}

/** Tasks as they stand. */
export interface StatisticsTasks extends LiveCounts {
  /** Dead letters; of more than MAX_FAILED, that many. */
  failed: number;
}

export interface Statistics extends WindowFigures {
  at: Date;
  tasks: StatisticsTasks;
}

/** Tasks whose last QUEUED is remembered, where it was not their first transition. Of others the wait is not counted. */
const MAX_REMEMBERED = 10_000;

const noRates = (): StatisticsRates => ({ submitted: 0, started: 0, completed: 0, failed: 0, cancelled: 0 });

/** Counts transitions, window after window. Its memory is bounded, however many there are. */
export class StatisticsWindow {
  readonly #queuedAt = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  readonly #completion = new LatencyHistogram();
  readonly #queueWait = new LatencyHistogram();
  #counts = noRates();
  #beganAt: number;

  /** @param nowMs by the clock that `take` is given */
  constructor(nowMs: number) {
    this.#beganAt = nowMs;
  }

  note(transition: CountedTransition): void {
    const { taskId, seq, status, atMs } = transition;
    if (seq === 1) this.#counts.submitted++;
    if (status === 'QUEUED' && seq > 1) this.#queuedAt.set(taskId, atMs);
    else if (status === 'PROCESSING') this.#noteStart(transition);
    else if (status === 'COMPLETED') {
      this.#counts.completed++;
      this.#completion.add(atMs - createdAtMs(taskId));
    } else if (status === 'FAILED') this.#counts.failed++;
    else if (status === 'CANCELLED') this.#counts.cancelled++;
  }

  #noteStart({ taskId, seq, atMs, data }: CountedTransition): void {
    // One that is told to stop becomes PROCESSING again, with the reason.
    if (data !== '') return;
    this.#counts.started++;
    // Its second transition: it was QUEUED when it was submitted.
    const queuedAt = seq === 2 ? createdAtMs(taskId) : this.#queuedAt.get(taskId);
    if (queuedAt !== undefined) this.#queueWait.add(atMs - queuedAt);
  }

  /** What happened since the last call, or since it was made; the next window begins. */
  take(nowMs: number): WindowFigures {
    const windowMs = Math.round(nowMs - this.#beganAt);
    const perSecond = (count: number): number => (windowMs > 0 ? (count * 1_000) / windowMs : 0);
    const { submitted, started, completed, failed, cancelled } = this.#counts;
    this.#beganAt = nowMs;
    this.#counts = noRates();
    return {
      windowMs,
      rates: {
        submitted: perSecond(submitted),
        started: perSecond(started),
        completed: perSecond(completed),
        failed: perSecond(failed),
        cancelled: perSecond(cancelled),
      },
      completion: this.#completion.take(),
      queueWait: this.#queueWait.take(),
    };
  }
}

/** Of a scope that is watched from now on. */
export const emptyFigures = (): WindowFigures => ({
  windowMs: 0,
  rates: noRates(),
  completion: null,
  queueWait: null,
});
