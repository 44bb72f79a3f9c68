import type { Logger } from 'pino';
import { goodbye, heartbeat } from '../../src/broker/calls.ts';
import type { Lane, Shard } from '../../src/broker/lanes.ts';
import { Backoff } from './backoff.ts';
import type { TaskDefinition } from './define-task.ts';

export interface HeartbeatOptions {
  lane: Lane;
  workerId: string;
  intervalMs: number;
  tasks: readonly TaskDefinition[];
  /** What is shown of the worker, as JSON. Asked at each heartbeat. */
  describe: () => string;
  logger: Logger;
}

/** A worker that missed this many is no longer listed. */
const MISSED_UNTIL_FORGOTTEN = 3;

/**
 * Says that this worker lives, and which task types it runs: at once, at every interval, and at once when the lane is back,
 * which may have lost its data.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #shard: Shard;
  readonly #backoff = new Backoff();
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: HeartbeatOptions) {
    const shard = options.lane.shards[0];
    if (!shard) throw new Error(`lane ${options.lane.name} has no shards`);
    this.#options = options;
    this.#shard = shard;
    options.lane.redis.on('ready', this.beat);
    this.beat();
  }

  get lane(): Lane {
    return this.#options.lane;
  }

  /** Sends one now, unless one is on its way. The next follows an interval later, or soon if this one fails. */
  readonly beat = (): void => {
    if (this.#isStopped || this.#beating) return;
    clearTimeout(this.#timer);
    this.#beating = this.#send();
  };

  /** Takes the worker off the list; if Redis is away, it falls off by itself. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#options.lane.redis.off('ready', this.beat);
    // A heartbeat that overtook the goodbye would list the worker again.
    await this.#beating;
    try {
      await goodbye(this.#shard, { worker: this.#options.workerId });
    } catch (err) {
      this.#options.logger.debug({ err, lane: this.#options.lane.name }, 'no goodbye: the lane is away');
    }
  }

  async #send(): Promise<void> {
    const { workerId, intervalMs, tasks, describe } = this.#options;
    const ttlMs = Math.ceil(intervalMs * MISSED_UNTIL_FORGOTTEN);
    let waitMs = intervalMs;
    try {
      await heartbeat(this.#shard, { worker: workerId, description: describe(), ttlMs }, tasks);
      this.#backoff.reset();
    } catch (err) {
      this.#options.logger.debug({ err, lane: this.#options.lane.name }, 'heartbeat failed');
      waitMs = Math.min(this.#backoff.next(), intervalMs);
    }
    this.#beating = undefined;
    if (!this.#isStopped) this.#timer = setTimeout(this.beat, waitMs).unref();
  }
}
