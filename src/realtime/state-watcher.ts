import { isDeepStrictEqual } from 'node:util';
import { type Logger, reportFailures } from '../logger.ts';
import { Mailbox } from './mailbox.ts';

/** Four times a second, at most. */
const MIN_INTERVAL_MS = 250;
/** From the beginning of a reading to the next one it is at least so many times as long as it took: slow ones keep nobody busy. */
const SLOW_FACTOR = 5;
/** States that may wait for one subscriber; only the newest are of use. */
const BUFFER = 100;
/** How often what nobody signals is looked at, in ms. */
const LOOK_MS = 1_000;

/** The key of a watcher that knows a single state. */
export const ONLY_KEY = '*';

export interface StateWatcherOptions<T> {
  /** What a key stands for, as it is now. */
  read: (key: string) => Promise<T>;
  /** Calls `onSignal` with keys whose states may have changed; settles once it listens. */
  listen: (onSignal: (keys: readonly string[]) => void) => Promise<unknown>;
  /** How often states are read without a signal, in ms: signals may be lost while Redis is away. */
  refreshMs: number;
  /** What is watched, for the log: "a queue". */
  what: string;
  logger: Logger;
}

/** For what changes without a signal: while somebody watches it, it is read every second, once for all who do. */
export const everySecond = (
  what: string,
  logger: Logger,
): Pick<StateWatcherOptions<unknown>, 'listen' | 'refreshMs' | 'what' | 'logger'> => ({
  listen: async () => undefined,
  refreshMs: LOOK_MS,
  what,
  logger,
});

interface Watched<T> {
  key: string;
  /** The subscribers, with what each was given last. */
  mailboxes: Map<Mailbox<T>, T>;
  /** When the next reading may begin. */
  nextAt: number;
  /** Was there a signal since the last reading began? */
  isStale: boolean;
  timer: NodeJS.Timeout | undefined;
  reading: Promise<void> | undefined;
}

/**
 * Hands states to this node's subscribers whenever they have changed: each is read once for all who watch it. Signals only
 * say when to look.
 */
export class StateWatcher<T> {
  readonly #options: StateWatcherOptions<T>;
  readonly #watched = new Map<string, Watched<T>>();
  readonly #refresh: NodeJS.Timeout;
  readonly #reportFailure: (error: unknown) => void;
  #isListening = false;

  constructor(options: StateWatcherOptions<T>) {
    this.#options = options;
    this.#reportFailure = reportFailures(options.logger, {
      outage: `what is watched waits for PostgreSQL or Redis: ${options.what}`,
      fault: `could not read ${options.what} that is watched`,
    });
    this.#refresh = setInterval(() => this.#signal([...this.#watched.keys()]), options.refreshMs).unref();
  }

  /**
   * The state as it is now, then whenever it has changed, at most four times a second. The last change always comes.
   *
   * @throws what reading throws, to begin
   */
  async watch(key: string): Promise<Mailbox<T>> {
    if (!this.#isListening) this.#listen();
    const first = await this.#options.read(key);
    const watched = this.#watched.get(key) ?? this.#begin(key);
    const mailbox: Mailbox<T> = new Mailbox(BUFFER, () => this.#leave(watched, mailbox));
    watched.mailboxes.set(mailbox, first);
    mailbox.push(first);
    // Between that reading and this line there may have been a change that nobody listened to.
    this.#signal([key]);
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

  /** While Redis is away this waits for it; once it listens, all states are read again for what was missed. */
  #listen(): void {
    this.#isListening = true;
    this.#options
      .listen((keys) => this.#signal(keys))
      .then(() => this.#signal([...this.#watched.keys()]))
      .catch((error) => {
        this.#isListening = false;
        const { logger, what } = this.#options;
        logger.warn({ err: error }, `could not listen to changes of ${what}`);
      });
  }

  #begin(key: string): Watched<T> {
    const watched: Watched<T> = {
      key,
      mailboxes: new Map(),
      nextAt: Number.NEGATIVE_INFINITY,
      isStale: false,
      timer: undefined,
      reading: undefined,
    };
    this.#watched.set(key, watched);
    return watched;
  }

  #leave(watched: Watched<T>, mailbox: Mailbox<T>): void {
    watched.mailboxes.delete(mailbox);
    if (watched.mailboxes.size > 0) return;
    clearTimeout(watched.timer);
    this.#watched.delete(watched.key);
  }

  #signal(keys: readonly string[]): void {
    for (const key of keys) {
      const watched = this.#watched.get(key);
      if (!watched) continue;
      watched.isStale = true;
      this.#plan(watched);
    }
  }

  /** A reading that is under way, or waits for its turn, plans the next one itself. */
  #plan(watched: Watched<T>): void {
    if (!watched.isStale || watched.reading || watched.timer || watched.mailboxes.size === 0) return;
    const waitMs = Math.max(0, watched.nextAt - performance.now());
    watched.timer = setTimeout(() => {
      watched.timer = undefined;
      watched.reading = this.#read(watched).finally(() => {
        watched.reading = undefined;
        this.#plan(watched);
      });
    }, waitMs).unref();
  }

  async #read(watched: Watched<T>): Promise<void> {
    watched.isStale = false;
    const startedAt = performance.now();
    try {
      const state = await this.#options.read(watched.key);
      for (const [mailbox, last] of watched.mailboxes) {
        if (isDeepStrictEqual(state, last)) continue;
        watched.mailboxes.set(mailbox, state);
        mailbox.push(state);
      }
    } catch (error) {
      // The next signal, or the regular refresh, tries again.
      this.#reportFailure(error);
    }
    watched.nextAt = startedAt + Math.max(MIN_INTERVAL_MS, SLOW_FACTOR * (performance.now() - startedAt));
  }
}
