import type { Attempt } from './attempt.ts';
import { Backoff } from './backoff.ts';

/** What is to be told about an attempt. */
export interface OutboxEntry<Item> {
  attempt: Attempt;
  item: Item;
  /** Roughly what the item takes in a call. */
  bytes: number;
}

export interface OutboxOptions<Item> {
  /** @returns ids whose lease was lost */
  send: (items: Item[]) => Promise<readonly string[]>;
  /** Told of each batch that was accepted, with the ids among it that were refused. */
  onAccepted: (entries: readonly OutboxEntry<Item>[], lostIds: readonly string[]) => void;
  /** Told of entries that were dropped before they were sent, since their lease was lost meanwhile. */
  onDropped: (entries: readonly OutboxEntry<Item>[]) => void;
  /** Told each time a call ended, after the above. `error` is what it failed with; the entries are kept. */
  onStep: (error?: unknown) => void;
}

/** More gain nothing (measured), and one call must not block Redis for long. */
const MAX_BATCH_ENTRIES = 500;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Collects entries and sends them in one call at a time: what arrives in the same turn of the event loop, or while a call
 * is on its way, shares the next call. Entries are kept until a call succeeded.
 */
export class Outbox<Item> {
  readonly #options: OutboxOptions<Item>;
  readonly #backoff = new Backoff();
  #entries: OutboxEntry<Item>[] = [];
  #state: 'empty' | 'scheduled' | 'sending' | 'backing-off' = 'empty';
  #retryTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: OutboxOptions<Item>) {
    this.#options = options;
  }

  /** A call is on its way or about to be: slots will be free soon. Not so while Redis is away. */
  get isBusy(): boolean {
    return this.#backoff.failures === 0 && this.#state !== 'empty';
  }

  add(entry: OutboxEntry<Item>): void {
    this.#entries.push(entry);
    if (this.#state !== 'empty') return;
    this.#state = 'scheduled';
    // Not a microtask: handlers that were started together end within the same turn, but not in the same microtask.
    setImmediate(() => void this.#flush());
  }

  /** Gives up what is left. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
  }

  async #flush(): Promise<void> {
    while (this.#entries.length > 0 && !this.#isClosed) {
      const batch = this.#takeBatch();
      if (batch.length === 0) continue;
      this.#state = 'sending';
      try {
        const lostIds = await this.#options.send(batch.map(({ item }) => item));
        this.#backoff.reset();
        this.#options.onAccepted(batch, lostIds);
      } catch (error) {
        return this.#keep(batch, error);
      }
      if (this.#entries.length > 0) this.#options.onStep();
    }
    this.#state = 'empty';
    this.#options.onStep();
  }

  #keep(batch: OutboxEntry<Item>[], error: unknown): void {
    this.#entries = batch.concat(this.#entries);
    this.#state = 'backing-off';
    if (!this.#isClosed) this.#retryTimer = setTimeout(() => void this.#flush(), this.#backoff.next());
    this.#options.onStep(error);
  }

  #takeBatch(): OutboxEntry<Item>[] {
    const batch: OutboxEntry<Item>[] = [];
    const dropped: OutboxEntry<Item>[] = [];
    let bytes = 0;
    let taken = 0;
    for (const entry of this.#entries) {
      if (batch.length >= MAX_BATCH_ENTRIES || (batch.length > 0 && bytes + entry.bytes > MAX_BATCH_BYTES)) break;
      taken++;
      if (entry.attempt.isLost) dropped.push(entry);
      else batch.push(entry);
      bytes += entry.bytes;
    }
    this.#entries = this.#entries.slice(taken);
    if (dropped.length > 0) this.#options.onDropped(dropped);
    return batch;
  }
}
