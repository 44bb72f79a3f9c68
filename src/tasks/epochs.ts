import type { Logger } from 'pino';
import { metaKey } from '../broker/keys.ts';
import type { Broker, Shard } from '../broker/lanes.ts';

/** Epochs by the ids of their shards; a shard without one may not be enqueued to. */
export type KnownEpochs = ReadonlyMap<string, string>;

/** How often epochs are read, at most, in ms. */
const MAX_REFRESH_MS = 1_000;

/** How often epochs must be read where reconcilers begin new ones every `reconcileIntervalMs`. */
export const epochRefreshMs = (reconcileIntervalMs: number): number =>
  Math.min(reconcileIntervalMs / 2, MAX_REFRESH_MS);

/**
 * The shards' epochs as this process last saw them. A submitter may enqueue a task only if the epoch that it knew before
 * it wrote the task is at most one behind: otherwise the reconciler may have put the task in already, and a worker may
 * have ended it. So epochs are kept fresh in the background, more often than reconcilers begin new ones.
 */
export class Epochs {
  readonly #epochs = new Map<string, string>();
  readonly #broker: Broker;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  readonly #reads = new Map<string, Promise<void>>();

  /** @param refreshMs see `epochRefreshMs` */
  constructor(broker: Broker, refreshMs: number, logger: Logger) {
    this.#broker = broker;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.refresh(), refreshMs).unref();
  }

  /** The epochs of now, by shard, to be taken before a transaction begins: in it, newer ones may become known. */
  snapshot(): KnownEpochs {
    return new Map(this.#epochs);
  }

  async refresh(): Promise<void> {
    await Promise.all(this.#broker.shards.map((shard) => this.#read(shard)));
  }

  /** What the shard said when it refused an older one: whoever writes from now on knows it. */
  learn(shard: Shard, epoch: string): void {
    this.#epochs.set(shard.id, epoch);
  }

  /**
   * Reads a shard's epoch now. Who asks while that is under way gets the same answer.
   *
   * @returns undefined while it has none, or cannot be reached
   */
  async readNow(shard: Shard): Promise<string | undefined> {
    let reading = this.#reads.get(shard.id);
    if (!reading) {
      reading = this.#read(shard).finally(() => this.#reads.delete(shard.id));
      this.#reads.set(shard.id, reading);
    }
    await reading;
    return this.#epochs.get(shard.id);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #read(shard: Shard): Promise<void> {
    try {
      const epoch = await shard.redis.hget(metaKey(shard.tag), 'epoch');
      if (epoch === null) this.#epochs.delete(shard.id);
      else this.#epochs.set(shard.id, epoch);
    } catch (error) {
      this.#logger.debug({ err: error, shard: shard.id }, 'could not read the epoch');
    }
  }
}
