import { createHash } from 'node:crypto';
import { ApiError } from '../client/errors.ts';
import { Patience } from '../client/patience.ts';
import { CommandError, exitCode } from './exit-codes.ts';
import { openProgress, type Progress } from './progress.ts';
import type { Session } from './session.ts';
import { type Refusal, SubmissionJournal } from './submission-journal.ts';
import { readTaskLines, summarise, type TaskLine } from './task-file.ts';
import { count, counted, plain } from './text.ts';

export interface FileOptions {
  file: string;
  /** Tells submissions of the same file apart. */
  run: string;
  /** Tasks a request, at most. */
  batch: number;
  /** Requests at once, at most. */
  inFlight: number;
}

interface Batch {
  lines: TaskLine[];
  /** The number of the last line before it. */
  after: number;
  last: number;
}

const CREATE_MANY = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }';
const NEWEST = '{ tasks(first: 1) { edges { node { id } } } }';
const ME = '{ me { id } }';

/** Half of what an api takes in one request, if nothing else is set. */
const MAX_BATCH_BYTES = 1 << 20;
/** More than so many refused lines are no slips: the file is not meant for this API. */
const MAX_REFUSED = 100;
const REFUSALS = new Set(['BAD_USER_INPUT', 'CONFLICT', 'PAYLOAD_TOO_LARGE', 'NOT_FOUND']);

/**
 * Submits the tasks of a file, in batches, several at once. After a crash the same command goes on, and doubles nothing: each
 * line has an idempotency key, its own or one of the file's hash and the line's number. Lines that are refused are told at the
 * end; the others are submitted.
 *
 * @param defaults fields for lines that do not say
 */
export const submitFile = async (
  session: Session,
  options: FileOptions,
  defaults: Readonly<Record<string, unknown>>,
): Promise<void> => {
  const { request, output, signal } = session;
  const { hash, lines } = await summarise(options.file, signal);
  const name = createHash('sha256')
    .update(JSON.stringify([hash, options.run, defaults]))
    .digest('hex')
    .slice(0, 32);
  const { me } = await request<{ me: { id: string } }>(ME);
  const journal = new SubmissionJournal(
    createHash('sha256')
      .update(JSON.stringify([session.url, me.id, name]))
      .digest('hex')
      .slice(0, 32),
  );
  const resumedAt = journal.done;
  if (resumedAt > 0) output.note(`Going on after line ${count(resumedAt)}.`);
  const progress = await openProgress(output, lines, 'tasks');
  const submission = new Submission(session, journal, progress, await newestTask(session));
  const batches = toBatches(
    readTaskLines(options.file, defaults, (line) => `${name}:${line}`, resumedAt, signal),
    options.batch,
    resumedAt,
  );
  progress.advance(Math.min(resumedAt, lines));
  try {
    await Promise.all(Array.from({ length: options.inFlight }, () => submission.work(batches)));
  } finally {
    progress.stop();
  }
  journal.remove();
  tellOutcome(session, submission, journal.refused, lines);
};

/** Ids are UUIDv7: whatever this run makes is greater. Undefined where the credentials may not read. */
const newestTask = async ({ request }: Session): Promise<string | undefined> => {
  try {
    const { tasks } = await request<{ tasks: { edges: { node: { id: string } }[] } }>(NEWEST);
    return tasks.edges[0]?.node.id ?? '';
  } catch (error) {
    if (error instanceof ApiError && error.code === 'FORBIDDEN') return undefined;
    throw error;
  }
};

async function* toBatches(lines: AsyncGenerator<TaskLine>, most: number, from: number): AsyncGenerator<Batch> {
  let batch: Batch = { lines: [], after: from, last: from };
  let bytes = 0;
  for await (const line of lines) {
    if (batch.lines.length >= most || (bytes > 0 && bytes + line.bytes > MAX_BATCH_BYTES)) {
      yield batch;
      batch = { lines: [], after: batch.last, last: batch.last };
      bytes = 0;
    }
    batch.lines.push(line);
    batch.last = line.number;
    bytes += line.bytes;
  }
  if (batch.lines.length > 0) yield batch;
}

/** Sends batches and counts what became of them. */
class Submission {
  readonly #session: Session;
  readonly #journal: SubmissionJournal;
  readonly #progress: Progress;
  readonly #newest: string | undefined;
  /** Tasks that this run has made; undefined where that cannot be known. */
  made: number | undefined;
  /** Tasks that were there already. */
  known = 0;
  #failed = false;

  constructor(session: Session, journal: SubmissionJournal, progress: Progress, newest: string | undefined) {
    this.#session = session;
    this.#journal = journal;
    this.#progress = progress;
    this.#newest = newest;
    this.made = newest === undefined ? undefined : 0;
  }

  /** Sends batch after batch until there are no more, or another sender has failed. */
  async work(batches: AsyncGenerator<Batch>): Promise<void> {
    try {
      while (!this.#failed) {
        const { value: batch, done } = await batches.next();
        if (done) return;
        const refused = await this.#send(batch.lines);
        this.#journal.answered(batch.after, batch.last, refused);
        this.#progress.advance(batch.lines.length);
        if (this.#journal.refused.length > MAX_REFUSED) throw tooManyRefused(this.#journal.refused);
      }
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** Sends lines, all or none; without those that are refused, until the rest is accepted. */
  async #send(lines: readonly TaskLine[]): Promise<Refusal[]> {
    if (lines.length === 0) return [];
    try {
      await this.#create(lines);
      return [];
    } catch (error) {
      if (!(error instanceof ApiError) || !REFUSALS.has(error.code)) throw error;
      const at = /^inputs\.(\d+)(?:\.|$)/.exec(error.field ?? '')?.[1];
      const index = lines.length === 1 ? 0 : at === undefined ? undefined : Number(at);
      const culprit = index === undefined ? undefined : lines[index];
      if (culprit) {
        const refusal = { line: culprit.number, message: error.message.replace(/^inputs\.\d+\.?/, '') };
        return [refusal, ...(await this.#send(lines.filter((line) => line !== culprit)))];
      }
      // It does not say which: the half that has none is accepted, and so on.
      const middle = Math.ceil(lines.length / 2);
      return [...(await this.#send(lines.slice(0, middle))), ...(await this.#send(lines.slice(middle)))];
    }
  }

  async #create(lines: readonly TaskLine[]): Promise<void> {
    const { request, signal } = this.#session;
    const patience = new Patience({ signal });
    for (;;) {
      try {
        const inputs = lines.map(({ input }) => input);
        const { createTasks } = await request<{ createTasks: { id: string }[] }>(CREATE_MANY, { inputs });
        return this.#countTasks(createTasks);
      } catch (error) {
        if (error instanceof ApiError && REFUSALS.has(error.code)) throw error;
        this.#progress.say(error instanceof ApiError ? `${plain(error.message)}; trying again` : '');
        await patience.endure(error);
      }
    }
  }

  #countTasks(tasks: readonly { id: string }[]): void {
    const newest = this.#newest;
    if (this.made === undefined || newest === undefined) return;
    const made = tasks.filter(({ id }) => id > newest).length;
    this.made += made;
    this.known += tasks.length - made;
  }
}

const tooManyRefused = (refused: readonly Refusal[]): CommandError =>
  new CommandError(
    'PARTLY',
    `More than ${MAX_REFUSED} lines were refused, so the rest was not sent. The first: line ${refused[0]?.line}: ${refused[0]?.message}`,
    '`taskflow types` shows what payloads each type takes.',
  );

const tellOutcome = (
  { output }: Session,
  { made, known }: Submission,
  refused: readonly Refusal[],
  lines: number,
): void => {
  const sorted = [...refused].sort((a, b) => a.line - b.line);
  output.json({ lines, new: made ?? null, known: made === undefined ? null : known, refused: sorted });
  const parts =
    made === undefined ? [] : [`${count(made)} new`, ...(known > 0 ? [`${count(known)} known already`] : [])];
  if (sorted.length > 0) parts.push(`${count(sorted.length)} refused`);
  output.line(`${counted(lines, 'line')} submitted${parts.length > 0 ? `: ${parts.join(', ')}` : ''}.`);
  if (!output.isJson) for (const { line, message } of sorted) output.note(`Line ${line}: ${plain(message)}`);
  if (sorted.length === 0) return;
  output.note(
    'Mend the refused lines and submit them in a file of their own: in the same file, all would be submitted again.',
  );
  process.exitCode = exitCode('PARTLY');
};
