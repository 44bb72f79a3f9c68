import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Broker } from '../broker/lanes.ts';
import { Mailbox } from '../realtime/mailbox.ts';
import { findWorkers, type LiveWorker } from './find-workers.ts';

/** How often this node looks while somebody watches, in ms: one look for all. A worker that died says nothing by itself. */
const INTERVAL_MS = 1_000;
/** Lists that may wait for one subscriber; only the newest is of use. */
const BUFFER = 100;

/** Hands the list of live workers to this node's subscribers whenever it has changed. */
export class WorkerWatcher {
  readonly #broker: Broker;
  readonly #logger: Logger;
  readonly #mailboxes = new Map<Mailbox<LiveWorker[]>, LiveWorker[]>();
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;

  constructor(broker: Broker, logger: Logger) {
    this.#broker = broker;
    this.#logger = logger;
  }

  /** The list as it is now, then whenever it has changed. @throws what ioredis throws when it cannot be read to begin */
  async watch(): Promise<Mailbox<LiveWorker[]>> {
    const first = await findWorkers(this.#broker, this.#logger);
    const mailbox: Mailbox<LiveWorker[]> = new Mailbox(BUFFER, () => this.#leave(mailbox));
    this.#mailboxes.set(mailbox, first);
    mailbox.push(first);
    this.#timer ??= setInterval(() => this.#look(), INTERVAL_MS).unref();
    return mailbox;
  }

  /** Ends all subscriptions with this error. */
  async close(error: Error): Promise<void> {
    for (const mailbox of [...this.#mailboxes.keys()]) mailbox.fail(error);
    await this.#reading;
  }

  #leave(mailbox: Mailbox<LiveWorker[]>): void {
    this.#mailboxes.delete(mailbox);
    if (this.#mailboxes.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
  }

  async #read(): Promise<void> {
    try {
      const workers = await findWorkers(this.#broker, this.#logger);
      for (const [mailbox, last] of this.#mailboxes) {
        if (isDeepStrictEqual(workers, last)) continue;
        this.#mailboxes.set(mailbox, workers);
        mailbox.push(workers);
      }
    } catch (err) {
      this.#logger.debug({ err }, 'could not read the workers; will look again');
    }
  }
}
