import {
  API_KEYS_TO_DELETE,
  API_KEYS_TO_REVOKE,
  AUDIT_ENTRIES_TO_DELETE,
  countRows,
  DEAD_LETTERS_TO_DELETE,
  type ExpiredRows,
  QUEUE_MINUTES_TO_DELETE,
  STRAY_TASKS_TO_DELETE,
  sweepRows,
} from './expired-rows.ts';
import { countIdempotencyKeys, deleteIdempotencyKeys } from './idempotency-keys.ts';
import { type Limits, limitsAt, type RetentionSettings } from './limits.ts';
import { countMissingPartitions, makePartitions } from './partitions.ts';
import { openSession, type Session, takeJanitorLock } from './session.ts';
import { emptySummary, type Summary } from './summary.ts';
import { countUnfinished, dropDay, findExpiredDays } from './task-days.ts';

export interface JanitorOptions {
  config: RetentionSettings & { DATABASE_URL: string };
  /** Only say what a run would do. */
  isDryRun: boolean;
  /** Ends the run between two batches, or in the middle of a statement, which is then undone. */
  signal: AbortSignal;
  /** Default: PostgreSQL's time. */
  now?: Date;
  /** How long another janitor is waited for. Default: 10 s. */
  patienceMs?: number;
}

const PATIENCE_MS = 10_000;

interface Run {
  session: Session;
  limits: Limits;
  signal: AbortSignal;
  summary: Summary;
}

/** What a run does, one after the other; new partitions first, since without them the hot path slows down. */
const STEPS: readonly { name: string; run: (run: Run) => Promise<void> }[] = [
  { name: 'make partitions', run: (run) => makeDays(run) },
  { name: 'revoke API keys', run: (run) => sweepInto(run, 'apiKeysRevoked', API_KEYS_TO_REVOKE) },
  { name: 'delete API keys', run: (run) => sweepInto(run, 'apiKeysDeleted', API_KEYS_TO_DELETE) },
  { name: 'drop days of tasks', run: (run) => dropDays(run) },
  { name: 'delete tasks outside of days', run: (run) => sweepInto(run, 'tasksDeleted', STRAY_TASKS_TO_DELETE) },
  { name: 'delete dead letters', run: (run) => sweepInto(run, 'deadLettersDeleted', DEAD_LETTERS_TO_DELETE) },
  { name: 'delete idempotency keys', run: (run) => freeIdempotencyKeys(run) },
  { name: 'delete queue minutes', run: (run) => sweepInto(run, 'queueMinutesDeleted', QUEUE_MINUTES_TO_DELETE) },
  { name: 'delete audit entries', run: (run) => sweepInto(run, 'auditEntriesDeleted', AUDIT_ENTRIES_TO_DELETE) },
];

/**
 * Cleans up once. It may be killed at any point: each statement leaves the database consistent, and the next run goes on.
 *
 * @returns what it did; undefined when another janitor is at work
 * @throws TaskFlowError UNAVAILABLE when PostgreSQL cannot be reached; the signal's reason when it is told to end
 */
export const cleanUp = async (options: JanitorOptions): Promise<Summary | undefined> => {
  const { config, isDryRun, signal, patienceMs = PATIENCE_MS } = options;
  await using session = await openSession({ databaseUrl: config.DATABASE_URL, readOnly: isDryRun, signal });
  // Whoever only looks needs no lock, and disturbs nobody who works.
  if (!isDryRun && !(await takeJanitorLock(session, patienceMs, signal))) return undefined;
  const limits = limitsAt(options.now ?? (await readTime(session)), config);
  const run: Run = { session, limits, signal, summary: emptySummary(isDryRun) };
  for (const step of STEPS) await carryOut(step, run);
  return run.summary;
};

const readTime = async (session: Session): Promise<Date> => {
  const [row] = await session.query<{ now: Date }>('SELECT now()');
  return row?.now ?? new Date();
};

/** A step that fails does not keep the others from being done. */
const carryOut = async ({ name, run: work }: (typeof STEPS)[number], run: Run): Promise<void> => {
  try {
    await work(run);
  } catch (error) {
    run.signal.throwIfAborted();
    run.summary.failures.push({ step: name, reason: error instanceof Error ? error.message : String(error) });
  }
};

const sweepInto = async (
  { session, limits, summary }: Run,
  field:
    | 'apiKeysRevoked'
    | 'apiKeysDeleted'
    | 'tasksDeleted'
    | 'deadLettersDeleted'
    | 'queueMinutesDeleted'
    | 'auditEntriesDeleted',
  rows: ExpiredRows,
): Promise<void> => {
  summary[field] = await (summary.isDryRun ? countRows : sweepRows)(session, rows, limits);
};

const makeDays = async ({ session, signal, summary }: Run): Promise<void> => {
  summary.partitionDaysMade = await (summary.isDryRun
    ? countMissingPartitions(session)
    : makePartitions(session, signal));
};

const freeIdempotencyKeys = async ({ session, limits, summary }: Run): Promise<void> => {
  if (!limits.idempotencyKeys) return;
  summary.idempotencyKeysDeleted = await (summary.isDryRun ? countIdempotencyKeys : deleteIdempotencyKeys)(
    session,
    limits.idempotencyKeys,
  );
};

const dropDays = async ({ session, limits, signal, summary }: Run): Promise<void> => {
  if (!limits.tasks) return;
  const days = await findExpiredDays(session, limits.tasks);
  for (const [i, day] of days.entries()) {
    const { outcome, unfinished } = summary.isDryRun
      ? await judgeDay(session, day)
      : await dropDay(session, day, signal);
    if (outcome === 'dropped') summary.daysDropped.push(day);
    else if (outcome === 'held') summary.daysHeld.push({ day, unfinished });
    else {
      // Whatever keeps this day's locks keeps those of the others.
      summary.daysBusy.push(...days.slice(i));
      return;
    }
  }
};

const judgeDay = async (session: Session, day: string) => {
  const unfinished = await countUnfinished(session, day);
  return { outcome: unfinished > 0 ? 'held' : 'dropped', unfinished } as const;
};
