import type { StreamEntry, StreamedLogLine, StreamedProgress } from '../../src/broker/event-stream.ts';
import type { Broker, Shard } from '../../src/broker/lanes.ts';
import { type Database, sqlState } from '../../src/database/client.ts';
import { publisherOf, publishSideMessages } from '../../src/realtime/publish.ts';
import { keptDetail } from './progress-detail.ts';
import { insertLogs, updateProgress } from './side-store.ts';

/** How often progress is written: subscribers get every value, PostgreSQL the last one of a second. */
const PROGRESS_INTERVAL_MS = 1_000;
/** SQLSTATEs of a record that is no JSON, or holds what no text can. */
const NO_JSON = new Set(['22P02', '22021', '22P05']);

/** Records and publishes what running attempts say of themselves: progress and log lines. */
export class SideRecorder {
  readonly #broker: Broker;
  readonly #shard: Shard;
  readonly #database: Database;
  /** By task: the last one that is not written yet. */
  readonly #pending = new Map<string, StreamedProgress>();
  #writtenAt = 0;

  constructor(broker: Broker, shard: Shard, database: Database) {
    this.#broker = broker;
    this.#shard = shard;
    this.#database = database;
  }

  /**
   * Log lines are written before they are published, and before any transition that came after them.
   *
   * @throws what PostgreSQL or Redis throw; it can be called again with the same entries
   */
  async record(entries: readonly StreamEntry[]): Promise<void> {
    const said = entries.flatMap((entry) => entry.logs);
    const progress = entries.flatMap((entry) =>
      entry.progress.map((each) => ({ ...each, detail: keptDetail(each.detail) })),
    );
    const logs = said.length > 0 ? await this.#writeLogs(said) : said;
    for (const each of progress) this.#pending.set(each.taskId, each);
    if (logs.length > 0 || progress.length > 0) {
      await publishSideMessages(this.#broker, publisherOf(this.#shard), lastOfEach(progress), logs);
    }
  }

  /** There is progress to be written, and the last time was a second ago. */
  get isDue(): boolean {
    return this.#pending.size > 0 && performance.now() - this.#writtenAt >= PROGRESS_INTERVAL_MS;
  }

  /** Writes the last progress of each task. @throws what PostgreSQL throws; it can be called again, and nothing is lost */
  async flush(): Promise<void> {
    const progress = [...this.#pending.values()];
    await updateProgress(this.#database, progress);
    this.#pending.clear();
    this.#writtenAt = performance.now();
  }

  /** @returns the lines as they were kept */
  async #writeLogs(logs: readonly StreamedLogLine[]): Promise<readonly StreamedLogLine[]> {
    try {
      await insertLogs(this.#database, logs);
      return logs;
    } catch (error) {
      if (!NO_JSON.has(sqlState(error) ?? '')) throw error;
      // A worker in another language may send what is no JSON: it becomes the message of its line.
      const sane = logs.map(withSaneRecord);
      await insertLogs(this.#database, sane);
      return sane;
    }
  }
}

const lastOfEach = (progress: readonly StreamedProgress[]): StreamedProgress[] => [
  ...new Map(progress.map((each) => [each.taskId, each])).values(),
];

const withSaneRecord = (line: StreamedLogLine): StreamedLogLine => {
  try {
    JSON.parse(line.record);
    return line;
  } catch {
    return { ...line, record: JSON.stringify({ level: 'info', message: line.record }) };
  }
};
