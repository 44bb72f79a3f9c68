import type { Logger } from 'pino';
import { complete, fail, release } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { attemptsReported } from '../../src/diagnostics.ts';
import type { Attempt } from './attempt.ts';
import { Outbox, type OutboxEntry, type OutboxOptions } from './outbox.ts';
import type { Slots } from './slots.ts';

/** What the broker is told about an attempt. */
export type Report =
  | { kind: 'complete'; result: string }
  | { kind: 'fail'; error: string; retry: '0' | '1'; delayMs: number | '' }
  | { kind: 'release' };

interface Fence {
  id: string;
  token: string;
}

/** One outbox for each call that reports, since a call takes outcomes of one kind. */
interface ShardOutboxes {
  complete: Outbox<Fence & { result: string }>;
  fail: Outbox<Fence & { error: string; retry: string; delayMs: number | '' }>;
  release: Outbox<Fence>;
}

export interface ReporterOptions {
  workerId: string;
  slots: Slots;
  logger: Logger;
  /** Told when slots were freed, or when waiting for them became pointless. */
  onStep: () => void;
}

/** An id, a token and the lengths between them, in bytes. */
const FENCE_BYTES = 80;

/**
 * Tells the broker how attempts ended, many in one call for each shard, and frees their slots once they were accepted or
 * their lease turned out to be lost. While Redis is away they are kept.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #outboxes = new Map<Shard, ShardOutboxes>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Some slots will be free as soon as Redis answers. */
  get isBusy(): boolean {
    for (const outboxes of this.#outboxes.values()) {
      if (outboxes.complete.isBusy || outboxes.fail.isBusy || outboxes.release.isBusy) return true;
    }
    return false;
  }

  report(attempt: Attempt, report: Report): void {
    if (attempt.isLost) this.#drop([attempt]);
    else this.#add(attempt, report);
  }

  /** Gives up what was not accepted yet: its leases run out, and the tasks are run again. */
  close(): void {
    for (const outboxes of this.#outboxes.values()) {
      for (const outbox of [outboxes.complete, outboxes.fail, outboxes.release]) outbox.close();
    }
  }

  #add(attempt: Attempt, report: Report): void {
    const { id, token } = attempt.claim;
    const outboxes = this.#outboxesOf(attempt.shard);
    if (report.kind === 'complete') {
      const { result } = report;
      outboxes.complete.add({ attempt, item: { id, token, result }, bytes: FENCE_BYTES + result.length });
    } else if (report.kind === 'fail') {
      const { error, retry, delayMs } = report;
      outboxes.fail.add({ attempt, item: { id, token, error, retry, delayMs }, bytes: FENCE_BYTES + error.length });
    } else {
      outboxes.release.add({ attempt, item: { id, token }, bytes: FENCE_BYTES });
    }
  }

  #outboxesOf(shard: Shard): ShardOutboxes {
    let outboxes = this.#outboxes.get(shard);
    if (!outboxes) {
      outboxes = this.#openOutboxes(shard);
      this.#outboxes.set(shard, outboxes);
    }
    return outboxes;
  }

  #openOutboxes(shard: Shard): ShardOutboxes {
    const worker = this.#options.workerId;
    return {
      complete: new Outbox(this.#wire(shard, (items) => complete(shard, { worker }, items))),
      fail: new Outbox(this.#wire(shard, (items) => fail(shard, { worker }, items))),
      release: new Outbox(this.#wire(shard, (items) => release(shard, { worker }, items))),
    };
  }

  #wire<Item>(shard: Shard, send: OutboxOptions<Item>['send']): OutboxOptions<Item> {
    let isAway = false;
    return {
      send: measured(send),
      onAccepted: (entries, lostIds) => this.#free(entries, lostIds),
      onDropped: (entries) => this.#drop(entries.map(({ attempt }) => attempt)),
      onStep: (error) => {
        const wasAway = isAway;
        isAway = error !== undefined;
        // Once an outage, not once a try.
        if (isAway && !wasAway)
          this.#options.logger.warn({ err: error, shard: shard.id }, 'outcomes are kept until the shard takes them');
        if (wasAway && !isAway) this.#options.logger.info({ shard: shard.id }, 'the shard takes outcomes again');
        this.#options.onStep();
      },
    };
  }

  #free(entries: readonly OutboxEntry<unknown>[], lostIds: readonly string[]): void {
    for (const { attempt } of entries) this.#options.slots.release(attempt);
    // After a call that broke off, this is also how one looks that Redis had already taken.
    if (lostIds.length === 0) return;
    const lost = new Set(lostIds);
    for (const { attempt } of entries) {
      const { id: taskId, attempt: number } = attempt.claim;
      if (lost.has(taskId))
        this.#options.logger.info({ taskId, attempt: number }, 'lease lost: the outcome was not taken');
    }
  }

  #drop(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) {
      this.#options.slots.release(attempt);
      this.#options.logger.info(
        { taskId: attempt.claim.id, attempt: attempt.claim.attempt },
        'lease lost: the outcome was dropped',
      );
    }
    this.#options.onStep();
  }
}

const measured =
  <Item>(send: OutboxOptions<Item>['send']): OutboxOptions<Item>['send'] =>
  async (items) => {
    const startedAt = performance.now();
    const lostIds = await send(items);
    if (attemptsReported.hasSubscribers) {
      const durationMs = performance.now() - startedAt;
      attemptsReported.publish({ attempts: items.length, lost: lostIds.length, durationMs });
    }
    return lostIds;
  };
