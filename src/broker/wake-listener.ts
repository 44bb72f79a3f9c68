import type { Redis } from 'ioredis';
import { within } from '../within.ts';
import type { Shard } from './lanes.ts';

export interface WakeListenerOptions {
  shard: Shard;
  /** Lists on which a token says that there is something to claim. Asked at each wait. */
  keys: () => readonly string[];
  /**
   * Told when claiming is worth a try: at a token, with the list that it came from; without one at a reconnection, and when
   * nothing came for a while.
   */
  onWake: (key?: string) => void;
}

/** A safety net for wake-ups that were lost with a connection or a worker. Work that arrives in between wakes at once. */
const BLOCK_SECONDS = 5;
/** A read that Redis has not even ended by itself sits on a dead connection. In ms, beyond the above. */
const REPLY_GRACE_MS = 2_000;
const RETRY_MS = 1_000;
/** How long ending a read may take; a connection that breaks meanwhile must not hold up a shutdown. */
const UNBLOCK_MS = 1_000;

/** Sleeps in a blocking read on a connection of its own until a shard has work. */
export class WakeListener {
  readonly #options: WakeListenerOptions;
  readonly #connection: Redis;
  #clientId: number | undefined;
  #blocked: Promise<void> | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #wasReady = false;
  #isClosed = false;

  constructor(options: WakeListenerOptions) {
    this.#options = options;
    this.#connection = options.shard.connect();
    this.#connection.on('close', () => (this.#clientId = undefined));
    this.#connection.on('ready', () => this.#onReady());
  }

  /** Waits for the next wake-up, unless it waits already. */
  listen(): void {
    if (this.#isClosed) return;
    this.#blocked ??= this.#block();
  }

  /** Begins the wait anew, with other keys; tells `onWake` when it was waiting. */
  async interrupt(): Promise<void> {
    if (this.#blocked && this.#clientId !== undefined) await within(UNBLOCK_MS, this.#unblock(this.#clientId));
  }

  /**
   * Stops waiting and closes the connection. The read is ended before the connection is: Redis might otherwise give a
   * token to a connection that nobody reads any more.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.interrupt();
    clearTimeout(this.#watchdog);
    // While it reconnects, ioredis never settles the read that it was to send again: nothing more to wait for.
    this.#connection.disconnect();
  }

  async #unblock(clientId: number): Promise<void> {
    const isAway = await this.#options.shard.redis.client('UNBLOCK', clientId).then(
      () => false,
      () => true,
    );
    if (!isAway) await this.#blocked;
  }

  #onReady(): void {
    // Redis may have been away for long: what came meanwhile gave its tokens to nobody.
    if (this.#wasReady && !this.#isClosed) this.#options.onWake();
    this.#wasReady = true;
  }

  async #block(): Promise<void> {
    this.#watchdog = setTimeout(() => this.#connection.disconnect(true), BLOCK_SECONDS * 1_000 + REPLY_GRACE_MS);
    let woken: [key: string, token: string] | null = null;
    try {
      this.#clientId ??= await this.#connection.client('ID');
      woken = await this.#connection.blpop([...this.#options.keys()], BLOCK_SECONDS);
    } catch {
      // The connection was closed, or refuses reads. Without the wait, this would go round as fast as it can.
      if (!this.#isClosed) await new Promise((done) => setTimeout(done, RETRY_MS));
    } finally {
      clearTimeout(this.#watchdog);
    }
    this.#blocked = undefined;
    if (!this.#isClosed) this.#options.onWake(woken?.[0]);
  }
}
