import type { CountedTransition } from '../realtime/change.ts';
import type { Mailbox } from '../realtime/mailbox.ts';
import type { QueueServices } from './find-queues.ts';
import { type LiveCounts, noCounts, readOwnerCounts, readTotalCounts } from './live-counts.ts';
import { emptyFigures, type Statistics, StatisticsWindow } from './statistics.ts';
import { countDeadLetters } from './statistics-store.ts';

/** How old counts may be where nothing has happened, in ms: tasks are also deleted, which is no transition. */
const REFRESH_MS = 5_000;

/** A submission is told of just before Redis has its tasks: the reading after the next one has them for certain. */
const SETTLED_AFTER = 2;

/** What is watched together: an owner's tasks, or everybody's. */
export class StatisticsScope {
  /** Undefined: everybody's. */
  readonly ownerId: string | undefined;
  readonly mailboxes = new Set<Mailbox<Statistics>>();
  /** What was said last. Undefined until `begin`. */
  last: Statistics | undefined;
  readonly #window = new StatisticsWindow(performance.now());
  #live: LiveCounts = noCounts();
  #failed = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  /** How many further readings it takes until the counts are those after the last transition. */
  #staleReadings = SETTLED_AFTER;
  /** May the number of dead letters be another than the one that was read? */
  #isFailedStale = true;

  constructor(ownerId: string | undefined) {
    this.ownerId = ownerId;
  }

  readonly note = (transition: CountedTransition): void => {
    this.#window.note(transition);
    this.#staleReadings = SETTLED_AFTER;
    const { status, seq } = transition;
    // A further QUEUED may be of a task that was put back.
    if (status === 'FAILED' || (status === 'QUEUED' && seq > 1)) this.#isFailedStale = true;
  };

  /** Tells what stands where. @throws what Prisma and ioredis throw */
  async begin(services: QueueServices): Promise<void> {
    await this.#readCounts(services);
    this.#say(emptyFigures());
  }

  /** Tells of what happened since it last did. @throws what Prisma and ioredis throw; then it tells of all of it next time */
  async tell(services: QueueServices): Promise<void> {
    await this.#readCounts(services);
    this.#say(this.#window.take(performance.now()));
  }

  #say(figures: Omit<Statistics, 'at' | 'tasks'>): void {
    this.last = { at: new Date(), ...figures, tasks: { ...this.#live, failed: this.#failed } };
    for (const mailbox of this.mailboxes) mailbox.push(this.last);
  }

  async #readCounts({ broker, database }: QueueServices): Promise<void> {
    const now = performance.now();
    const isOld = now - this.#readAt >= REFRESH_MS;
    const readsLive = isOld || this.#staleReadings > 0;
    const readsFailed = isOld || this.#isFailedStale;
    // What happens while they are read makes them stale again.
    this.#staleReadings = Math.max(0, this.#staleReadings - 1);
    this.#isFailedStale = false;
    try {
      const [live, failed] = await Promise.all([
        readsLive ? this.#readLive(broker) : this.#live,
        readsFailed ? countDeadLetters(database, this.ownerId) : this.#failed,
      ]);
      this.#live = live;
      this.#failed = failed;
      if (isOld) this.#readAt = now;
    } catch (error) {
      this.#staleReadings = SETTLED_AFTER;
      this.#isFailedStale = true;
      throw error;
    }
  }

  #readLive(broker: QueueServices['broker']): Promise<LiveCounts> {
    return this.ownerId === undefined ? readTotalCounts(broker) : readOwnerCounts(broker, this.ownerId);
  }
}
