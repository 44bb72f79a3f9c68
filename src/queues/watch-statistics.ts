import { type Logger, reportFailures } from '../logger.ts';
import { Mailbox } from '../realtime/mailbox.ts';
import type { RealtimeRouter } from '../realtime/router.ts';
import type { QueueServices } from './find-queues.ts';
import type { Statistics } from './statistics.ts';
import { StatisticsScope } from './statistics-scope.ts';

/** How often subscribers hear, in ms. */
const INTERVAL_MS = 1_000;
/** Messages that may wait for one subscriber; only the newest are of use. */
const BUFFER = 100;

interface Watched {
  scope: StatisticsScope;
  /** Rejects where it cannot begin. */
  opening: Promise<void>;
  /** Ends the counting. Undefined until it has begun. */
  stop: (() => void) | undefined;
}

/**
 * Hands statistics to this node's subscribers, once a second. What happens is counted on its way to subscribers, once for all
 * who watch the same; what stands where is asked of Redis. Where nobody watches, nothing is counted and nothing is asked.
 */
export class StatisticsWatcher {
  readonly #services: QueueServices;
  readonly #router: RealtimeRouter;
  readonly #reportFailure: (error: unknown) => void;
  /** By owner; undefined for everybody's. */
  readonly #watched = new Map<string | undefined, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<void> | undefined;

  constructor(services: QueueServices, router: RealtimeRouter, logger: Logger) {
    this.#services = services;
    this.#router = router;
    this.#reportFailure = reportFailures(logger, {
      outage: 'statistics that are watched wait for PostgreSQL or Redis',
      fault: 'could not read statistics that are watched; will try again',
    });
  }

  /**
   * The statistics now, then each second. The first message after nobody has watched knows of no window yet.
   *
   * @param ownerId whose tasks; undefined for everybody's
   * @throws what Prisma or ioredis throw when PostgreSQL or Redis cannot be reached to begin
   */
  async watch(ownerId: string | undefined): Promise<Mailbox<Statistics>> {
    const watched = this.#watched.get(ownerId) ?? this.#begin(ownerId);
    const { scope } = watched;
    const mailbox: Mailbox<Statistics> = new Mailbox(BUFFER, () => this.#leave(watched, mailbox));
    scope.mailboxes.add(mailbox);
    if (scope.last) mailbox.push(scope.last);
    try {
      await watched.opening;
    } catch (error) {
      await mailbox.return();
      throw error;
    }
    return mailbox;
  }

  /** Ends all subscriptions with this error. */
  async close(error: Error): Promise<void> {
    for (const { scope } of [...this.#watched.values()]) {
      for (const mailbox of [...scope.mailboxes]) mailbox.fail(error);
    }
    await this.#ticking;
  }

  #begin(ownerId: string | undefined): Watched {
    const watched: Watched = { scope: new StatisticsScope(ownerId), opening: Promise.resolve(), stop: undefined };
    watched.opening = this.#open(watched);
    this.#watched.set(ownerId, watched);
    this.#timer ??= setInterval(() => {
      this.#ticking ??= this.#tick().finally(() => {
        this.#ticking = undefined;
      });
    }, INTERVAL_MS).unref();
    return watched;
  }

  /** Listens first and reads then, so that nothing falls between. */
  async #open(watched: Watched): Promise<void> {
    const { ownerId, note, mailboxes } = watched.scope;
    const stop = await (ownerId === undefined ? this.#router.observeAll(note) : this.#router.observe(ownerId, note));
    // Those who waited for it may have left.
    if (mailboxes.size === 0) return stop();
    watched.stop = stop;
    await watched.scope.begin(this.#services);
  }

  #leave(watched: Watched, mailbox: Mailbox<Statistics>): void {
    const { ownerId, mailboxes } = watched.scope;
    mailboxes.delete(mailbox);
    if (mailboxes.size > 0) return;
    watched.stop?.();
    this.#watched.delete(ownerId);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #tick(): Promise<void> {
    const open = [...this.#watched.values()].filter(({ scope }) => scope.last !== undefined);
    const told = await Promise.allSettled(open.map(({ scope }) => scope.tell(this.#services)));
    const failed = told.find((each) => each.status === 'rejected');
    if (failed) this.#reportFailure(failed.reason);
  }
}
