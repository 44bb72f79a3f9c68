import type { Shard } from '../../src/broker/lanes.ts';
import type { Attempt } from './attempt.ts';

/** What one claim loop may fill. */
export interface ClaimSlots {
  /** How many it fills at most. */
  readonly concurrency: number;
  /** How many tasks may be claimed now: neither taken nor reserved for a claim on its way. */
  readonly free: number;
  reserve(count: number): void;
  unreserve(count: number): void;
}

/**
 * The attempts that this worker holds, at most `concurrency`. One occupies its slot until its outcome was accepted, not
 * only until its handler ended: while Redis is away, outcomes cannot pile up.
 */
export class Slots implements ClaimSlots {
  readonly concurrency: number;
  readonly #byShard = new Map<Shard, Map<string, Attempt>>();
  /** Only of queues with a limit of their own. */
  readonly #takenByQueue = new Map<string, number>();
  #taken = 0;
  #reserved = 0;
  #onDrained: (() => void) | undefined;

  constructor(concurrency: number) {
    this.concurrency = concurrency;
  }

  get taken(): number {
    return this.#taken;
  }

  get free(): number {
    return this.concurrency - this.#taken - this.#reserved;
  }

  reserve(count: number): void {
    this.#reserved += count;
  }

  unreserve(count: number): void {
    this.#reserved -= count;
  }

  take(attempt: Attempt): void {
    const attempts = this.#attemptsOf(attempt.shard);
    // A task has one holder. That this worker was given it again says that it lost the earlier lease.
    attempts.get(attempt.claim.id)?.lose();
    attempts.set(attempt.claim.id, attempt);
    this.#taken++;
    this.#count(attempt, 1);
  }

  /** Called once for each attempt that was taken. */
  release(attempt: Attempt): void {
    const attempts = this.#attemptsOf(attempt.shard);
    if (attempts.get(attempt.claim.id) === attempt) attempts.delete(attempt.claim.id);
    this.#taken--;
    this.#count(attempt, -1);
    if (this.#taken === 0) this.#onDrained?.();
  }

  /** By task id: each task has at most one attempt that still counts. */
  of(shard: Shard): ReadonlyMap<string, Attempt> {
    return this.#attemptsOf(shard);
  }

  all(): Attempt[] {
    return [...this.#byShard.values()].flatMap((attempts) => [...attempts.values()]);
  }

  /** Resolves when no attempt is held. */
  async drained(): Promise<void> {
    if (this.#taken === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onDrained = resolve;
    await promise;
  }

  /** The slots that tasks of one queue may take: some of these, at most `limit`. */
  limitedTo(queue: string, limit: number): ClaimSlots {
    this.#takenByQueue.set(queue, 0);
    return new QueueSlots(this, limit, () => this.#takenByQueue.get(queue) ?? 0);
  }

  #count({ claim: { queue } }: Attempt, change: 1 | -1): void {
    const taken = this.#takenByQueue.get(queue);
    if (taken !== undefined) this.#takenByQueue.set(queue, taken + change);
  }

  #attemptsOf(shard: Shard): Map<string, Attempt> {
    let attempts = this.#byShard.get(shard);
    if (!attempts) {
      attempts = new Map();
      this.#byShard.set(shard, attempts);
    }
    return attempts;
  }
}

class QueueSlots implements ClaimSlots {
  readonly concurrency: number;
  readonly #all: Slots;
  readonly #taken: () => number;
  #reserved = 0;

  constructor(all: Slots, limit: number, taken: () => number) {
    this.concurrency = Math.min(limit, all.concurrency);
    this.#all = all;
    this.#taken = taken;
  }

  get free(): number {
    return Math.min(this.#all.free, this.concurrency - this.#taken() - this.#reserved);
  }

  reserve(count: number): void {
    this.#reserved += count;
    this.#all.reserve(count);
  }

  unreserve(count: number): void {
    this.#reserved -= count;
    this.#all.unreserve(count);
  }
}
