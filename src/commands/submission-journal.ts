import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readClientSettings } from '../config.ts';
import { writePrivately } from './profile.ts';

const RefusalSchema = z.object({ line: z.number(), message: z.string() });
const JournalSchema = z.object({ done: z.number(), refused: z.array(RefusalSchema) });

/** A line that the API did not accept. */
export type Refusal = z.infer<typeof RefusalSchema>;

/**
 * How far the submission of a file is, on disk. Idempotency keys alone keep tasks from being doubled; this spares sending again
 * what is known to be accepted, and holds after the keys have gone (a day, if nothing else is set).
 */
export class SubmissionJournal {
  readonly #file: string;
  /** All lines up to this number were answered. */
  done = 0;
  readonly refused: Refusal[] = [];
  /** Batches that were answered before earlier ones: their first line with their last. */
  readonly #ahead = new Map<number, number>();

  /** @param name of the submission: the same API, user, file and options */
  constructor(name: string) {
    this.#file = join(readClientSettings().stateHome, 'taskflow', 'submissions', `${name}.json`);
    try {
      const { done, refused } = JournalSchema.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
      this.done = done;
      this.refused.push(...refused);
    } catch {
      // None, or none that can be read: everything is sent again, and nothing is doubled.
    }
  }

  /** The lines from `after` + 1 to `last` were answered. */
  answered(after: number, last: number, refused: readonly Refusal[]): void {
    this.refused.push(...refused);
    this.#ahead.set(after, last);
    for (let next = this.#ahead.get(this.done); next !== undefined; next = this.#ahead.get(this.done)) {
      this.#ahead.delete(this.done);
      this.done = next;
    }
    writePrivately(this.#file, {
      done: this.done,
      refused: this.refused.filter(({ line }) => line <= this.done),
    });
  }

  /** Everything was sent: the next time begins from the beginning. */
  remove(): void {
    rmSync(this.#file, { force: true });
  }
}
