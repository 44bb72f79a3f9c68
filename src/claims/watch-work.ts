import type { Logger } from 'pino';
import { claim } from '../broker/calls.ts';
import { readWakeKey, wakeKey } from '../broker/keys.ts';
import type { Broker, Shard } from '../broker/lanes.ts';
import { WakeListener } from '../broker/wake-listener.ts';
import { Mailbox } from '../realtime/mailbox.ts';
import { type ClaimRequest, checkServed } from './claim-tasks.ts';

/** Something to claim may be there. */
export interface WorkSignal {
  at: Date;
}

type Served = Pick<ClaimRequest, 'queues' | 'types'>;

/** A subscriber is told at most four times a second. While work waits that nobody claims, it is told that often. */
const MIN_INTERVAL_MS = 250;
/** Signals that may wait for one subscriber: all say the same. */
const BUFFER = 100;

interface Subscriber {
  mailbox: Mailbox<WorkSignal>;
  served: Served;
  toldAt: number;
}

/**
 * Tells workers without Redis when claiming is worth a try. This node waits in Redis for all of them, as a worker does; a
 * token that it takes is put back, so that no other worker sleeps on.
 */
export class WorkWatcher {
  readonly #broker: Broker;
  readonly #logger: Logger;
  readonly #subscribers = new Set<Subscriber>();
  readonly #listeners = new Map<Shard, WakeListener>();
  readonly #timers = new Map<Shard, NodeJS.Timeout>();
  #closing: Promise<unknown> = Promise.resolve();

  constructor(broker: Broker, logger: Logger) {
    this.#broker = broker;
    this.#logger = logger;
  }

  /** A first signal at once, then one whenever there is something to claim. @throws TaskFlowError BAD_USER_INPUT */
  watch(served: Served): Mailbox<WorkSignal> {
    checkServed(served, 'input');
    const mailbox: Mailbox<WorkSignal> = new Mailbox(BUFFER, () => this.#leave(subscriber));
    const subscriber: Subscriber = { mailbox, served, toldAt: performance.now() };
    this.#subscribers.add(subscriber);
    for (const shard of this.#broker.shards) this.#listenTo(shard);
    mailbox.push({ at: new Date() });
    return mailbox;
  }

  /** Ends all subscriptions with this error. */
  async close(error: Error): Promise<void> {
    for (const { mailbox } of [...this.#subscribers]) mailbox.fail(error);
    await this.#closing;
  }

  #leave(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size === 0) this.#closeListeners();
  }

  #closeListeners(): void {
    const listeners = [...this.#listeners.values()];
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#listeners.clear();
    this.#closing = Promise.all([this.#closing, ...listeners.map((listener) => listener.close())]);
  }

  /** A listener that waits already does not know the new keys yet. */
  #listenTo(shard: Shard): void {
    const known = this.#listeners.get(shard);
    if (known) {
      void known.interrupt();
      return;
    }
    const listener = new WakeListener({
      shard,
      keys: () => this.#keysOf(shard),
      onWake: (key) => void this.#onWake(shard, listener, key),
    });
    this.#listeners.set(shard, listener);
    listener.listen();
  }

  #keysOf(shard: Shard): string[] {
    return [...new Set([...this.#subscribers].flatMap(({ served }) => wakeKeys(shard, served)))];
  }

  async #onWake(shard: Shard, listener: WakeListener, key: string | undefined): Promise<void> {
    if (this.#listeners.get(shard) !== listener) return;
    if (key === undefined) {
      listener.listen();
      return;
    }
    for (const subscriber of this.#subscribers)
      if (wakeKeys(shard, subscriber.served).includes(key)) this.#tell(subscriber);
    await this.#passOn(shard, key);
    if (this.#listeners.get(shard) !== listener || this.#timers.has(shard)) return;
    // A little later than the subscribers may be told again.
    const timer = setTimeout(() => {
      this.#timers.delete(shard);
      listener.listen();
    }, MIN_INTERVAL_MS + 5).unref();
    this.#timers.set(shard, timer);
  }

  #tell(subscriber: Subscriber): void {
    const now = performance.now();
    // Nothing is lost: the token is put back, and wakes this node again after the interval.
    if (now - subscriber.toldAt < MIN_INTERVAL_MS) return;
    subscriber.toldAt = now;
    subscriber.mailbox.push({ at: new Date() });
  }

  /** A claim of none leaves a new token wherever tasks wait. Should it fail, the promoter wakes somebody within a second. */
  async #passOn(shard: Shard, key: string): Promise<void> {
    const { queue: queues, type: types } = readWakeKey(shard.tag, key);
    const nothing = { worker: 'api', limit: 0, leaseMs: 1, lowFirst: '0', queues, types };
    await claim(shard, nothing).catch((err: unknown) =>
      this.#logger.debug({ err, shard: shard.id }, 'could not pass a wake-up on'),
    );
  }
}

const wakeKeys = (shard: Shard, { queues, types }: Served): string[] =>
  queues.flatMap((queue) => types.map((type) => wakeKey(shard.tag, queue, type)));
