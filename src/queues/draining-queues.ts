import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { isDatabaseOutage } from '../outages.ts';
import { findDrainingQueues } from './queue-store.ts';

/** How old what is known may be, in ms: so late a submitter learns of a queue that drains, at most, and of one that does no more. */
const REFRESH_MS = 500;

/**
 * The queues that take no new tasks, as this process last saw them. Submissions ask here, without reading: it is kept
 * fresh in the background. While PostgreSQL is away, where nothing can be submitted, it stays as it is.
 */
export class DrainingQueues {
  readonly #database: Database;
  readonly #logger: Logger;
  #names: ReadonlySet<string> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  readonly has = (queue: string): boolean => this.#names?.has(queue) ?? false;

  /** Begins to read it twice a second, until `close`. */
  keepFresh(): void {
    const refresh = (): void => {
      this.refresh().catch((err) => {
        if (isDatabaseOutage(err)) this.#logger.debug({ err }, 'could not read the draining queues');
        else this.#logger.warn({ err }, 'could not read the draining queues');
      });
    };
    this.#timer = setInterval(refresh, REFRESH_MS).unref();
    refresh();
  }

  /** Makes sure that it was read once. @throws what Prisma throws */
  async prepare(): Promise<void> {
    if (!this.#names) await this.refresh();
  }

  /** @throws what Prisma throws; then nothing has changed */
  async refresh(): Promise<void> {
    this.#names = await findDrainingQueues(this.#database);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
