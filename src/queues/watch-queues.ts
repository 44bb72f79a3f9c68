import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { Mailbox } from '../realtime/mailbox.ts';
import type { RealtimeRouter } from '../realtime/router.ts';
import { type Queue, type QueueServices, readQueue } from './find-queues.ts';

/** Four times a second, at most. */
const MIN_INTERVAL_MS = 250;
/** How often counts are read without a signal, in ms: signals may be lost while Redis is away, and a day's counts run out. */
const REFRESH_MS = 5_000;
/** Counts that may wait for one subscriber; only the newest are of use. */
const BUFFER = 100;

interface Watched {
  name: string;
  /** The subscribers, with what each was given last. */
  mailboxes: Map<Mailbox<Queue>, Queue>;
  readAt: number;
  /** Was there a signal since the last reading began? */
  isStale: boolean;
  timer: NodeJS.Timeout | undefined;
  reading: Promise<void> | undefined;
}

/** Hands the counts of queues to this node's subscribers: they are read once for all who watch the same queue. */
export class QueueWatcher {
  readonly #services: QueueServices;
  readonly #router: RealtimeRouter;
  readonly #logger: Logger;
  readonly #watched = new Map<string, Watched>();
  readonly #refresh: NodeJS.Timeout;
  #isListening = false;

  constructor(services: QueueServices, router: RealtimeRouter, logger: Logger) {
    this.#services = services;
    this.#router = router;
    this.#logger = logger;
    this.#refresh = setInterval(() => this.#signal([...this.#watched.keys()]), REFRESH_MS).unref();
  }

  /**
   * The queue as it is now, then whenever its counts have changed, at most four times a second. The last change always
   * comes.
   *
   * @throws what Prisma or ioredis throw when the counts cannot be read to begin
   */
  async watch(name: string): Promise<Mailbox<Queue>> {
    if (!this.#isListening) this.#listen();
    const first = await readQueue(this.#services, name);
    const watched = this.#watched.get(name) ?? this.#begin(name);
    const mailbox: Mailbox<Queue> = new Mailbox(BUFFER, () => this.#leave(watched, mailbox));
    watched.mailboxes.set(mailbox, first);
    mailbox.push(first);
    // Between that reading and this line there may have been a change that nobody listened to.
    this.#signal([name]);
    return mailbox;
  }

  /** Ends all subscriptions with this error. */
  async close(error: Error): Promise<void> {
    clearInterval(this.#refresh);
    for (const { mailboxes, timer } of this.#watched.values()) {
      clearTimeout(timer);
      for (const mailbox of [...mailboxes.keys()]) mailbox.fail(error);
    }
    await Promise.all([...this.#watched.values()].map(({ reading }) => reading));
  }

  /** While Redis is away this waits for it; once it listens, all counts are read again for what was missed. */
  #listen(): void {
    this.#isListening = true;
    this.#router
      .onQueueChange((names) => this.#signal(names))
      .then(() => this.#signal([...this.#watched.keys()]))
      .catch((error) => {
        this.#isListening = false;
        this.#logger.warn({ err: error }, 'could not listen to changes of queues');
      });
  }

  #begin(name: string): Watched {
    const watched: Watched = {
      name,
      mailboxes: new Map(),
      readAt: Number.NEGATIVE_INFINITY,
      isStale: false,
      timer: undefined,
      reading: undefined,
    };
    this.#watched.set(name, watched);
    return watched;
  }

  #leave(watched: Watched, mailbox: Mailbox<Queue>): void {
    watched.mailboxes.delete(mailbox);
    if (watched.mailboxes.size > 0) return;
    clearTimeout(watched.timer);
    this.#watched.delete(watched.name);
  }

  #signal(names: readonly string[]): void {
    for (const name of names) {
      const watched = this.#watched.get(name);
      if (!watched) continue;
      watched.isStale = true;
      this.#plan(watched);
    }
  }

  /** A reading that is under way, or waits for its turn, plans the next one itself. */
  #plan(watched: Watched): void {
    if (!watched.isStale || watched.reading || watched.timer || watched.mailboxes.size === 0) return;
    const waitMs = Math.max(0, watched.readAt + MIN_INTERVAL_MS - performance.now());
    watched.timer = setTimeout(() => {
      watched.timer = undefined;
      watched.reading = this.#read(watched).finally(() => {
        watched.reading = undefined;
        this.#plan(watched);
      });
    }, waitMs).unref();
  }

  async #read(watched: Watched): Promise<void> {
    watched.isStale = false;
    watched.readAt = performance.now();
    try {
      const queue = await readQueue(this.#services, watched.name);
      for (const [mailbox, last] of watched.mailboxes) {
        if (isDeepStrictEqual(queue, last)) continue;
        watched.mailboxes.set(mailbox, queue);
        mailbox.push(queue);
      }
    } catch (error) {
      // The next signal, or the regular refresh, tries again.
      this.#logger.warn({ err: error, queue: watched.name }, 'could not read the counts of a queue');
    }
  }
}
