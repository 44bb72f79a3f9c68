import type { Logger } from 'pino';
import type { Broker } from '../../src/broker/lanes.ts';
import type { Config } from '../../src/config.ts';
import type { Database } from '../../src/database/client.ts';
import { sleep } from '../../src/sleep.ts';
import { Epochs, epochRefreshMs } from '../../src/tasks/epochs.ts';
import { TaskWriter } from '../../src/tasks/task-writer.ts';

export interface HandoverOptions {
  broker: Broker;
  database: Database;
  config: Pick<Config, 'RECONCILE_INTERVAL_MS'>;
  logger: Logger;
}

/** How long Redis is waited for at the start, in ms. */
const MAX_WAIT_MS = 1_000;

/** What a manager writes tasks with and hands them over to Redis: one for all its runners. */
export class Handover {
  readonly taskWriter: TaskWriter;
  readonly #broker: Broker;
  readonly #epochs: Epochs;
  #prepared: Promise<void> | undefined;

  constructor({ broker, database, config, logger }: HandoverOptions) {
    this.#broker = broker;
    this.#epochs = new Epochs(broker, epochRefreshMs(config.RECONCILE_INTERVAL_MS), logger);
    this.taskWriter = new TaskWriter(database, broker, this.#epochs, logger);
  }

  /**
   * Waits until the epochs are known, but not for a Redis that is away: without them nothing can be handed over, and what is
   * written waits for the reconciler. Once for all runners, which stop together.
   */
  prepare(signal: AbortSignal): Promise<void> {
    this.#prepared ??= this.#prepare(signal);
    return this.#prepared;
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#broker.ready(), sleep(MAX_WAIT_MS, signal)]);
    await this.#epochs.refresh();
  }

  /** For when nobody writes any more: waits until Redis has, or has refused, what was written. */
  async close(): Promise<void> {
    this.#epochs.close();
    await this.taskWriter.close();
  }
}
