import { type Config, directUrl } from '../../src/config.ts';
import { takeMaintenanceLock } from '../../src/database/maintenance-lock.ts';
import { messageOf } from '../../src/log-errors.ts';
import {
  API_KEYS_TO_DELETE,
  API_KEYS_TO_REVOKE,
  AUDIT_ENTRIES_TO_DELETE,
  countRows,
  DEAD_LETTERS_TO_DELETE,
  type ExpiredRows,
  FLOWS_TO_DELETE,
  LOGINS_TO_DELETE,
  OPERATIONS_TO_DELETE,
  ORPHANED_KEYS_TO_DELETE,
  QUEUE_MINUTES_TO_DELETE,
  SCHEDULE_RUNS_TO_DELETE,
  strayTasksToDelete,
  sweepRows,
} from './expired-rows.ts';
import { countIdempotencyKeys, deleteIdempotencyKeys } from './idempotency-keys.ts';
import { ENDED_STATUSES, type EndedStatus, type Limits, limitsAt, type RetentionSettings } from './limits.ts';
import { countMissingPartitions, makePartitions } from './partitions.ts';
import { abandonRewrites, rewriteDay } from './rewrite-day.ts';
import { openSession, type Session } from './session.ts';
import { emptySummary, type Summary } from './summary.ts';
import { countUnfinished, dropDay, findDailyTables, findExpiredDays, type TaskDay } from './task-days.ts';

export interface JanitorOptions {
  config: RetentionSettings & Pick<Config, 'DATABASE_URL' | 'DATABASE_DIRECT_URL'>;
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
  { name: 'delete expired logins', run: (run) => sweepInto(run, 'loginsDeleted', LOGINS_TO_DELETE) },
  { name: 'drop days of tasks', run: (run) => clearDays(run) },
  { name: 'delete tasks outside of days', run: (run) => deleteStrayTasks(run) },
  { name: 'delete dead letters', run: (run) => sweepInto(run, 'deadLettersDeleted', DEAD_LETTERS_TO_DELETE) },
  { name: 'delete flows without tasks', run: (run) => sweepInto(run, 'flowsDeleted', FLOWS_TO_DELETE) },
  { name: 'delete idempotency keys', run: (run) => freeIdempotencyKeys(run) },
  { name: 'delete runs of schedules', run: (run) => sweepInto(run, 'scheduleRunsDeleted', SCHEDULE_RUNS_TO_DELETE) },
  { name: 'delete queue minutes', run: (run) => sweepInto(run, 'queueMinutesDeleted', QUEUE_MINUTES_TO_DELETE) },
  { name: 'delete operations', run: (run) => sweepInto(run, 'operationsDeleted', OPERATIONS_TO_DELETE) },
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
  await using session = await openSession({ databaseUrl: directUrl(config), readOnly: isDryRun, signal });
  // Whoever only looks needs no lock, and disturbs nobody who works.
  if (!isDryRun && !(await takeMaintenanceLock(session.query, { patienceMs, signal }))) return undefined;
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
    run.summary.failures.push({ step: name, reason: error instanceof Error ? messageOf(error) : String(error) });
  }
};

const sweepInto = async (
  { session, limits, summary }: Run,
  field:
    | 'apiKeysRevoked'
    | 'apiKeysDeleted'
    | 'loginsDeleted'
    | 'tasksDeleted'
    | 'deadLettersDeleted'
    | 'scheduleRunsDeleted'
    | 'flowsDeleted'
    | 'queueMinutesDeleted'
    | 'operationsDeleted'
    | 'auditEntriesDeleted',
  rows: ExpiredRows,
): Promise<void> => {
  summary[field] = await (summary.isDryRun ? countRows : sweepRows)(session, rows, limits);
};

const deleteStrayTasks = async (run: Run): Promise<void> =>
  sweepInto(run, 'tasksDeleted', strayTasksToDelete(await findDailyTables(run.session)));

const makeDays = async ({ session, signal, summary }: Run): Promise<void> => {
  summary.partitionDaysMade = await (summary.isDryRun
    ? countMissingPartitions(session)
    : makePartitions(session, signal));
};

const freeIdempotencyKeys = async ({ session, limits, summary }: Run): Promise<void> => {
  if (limits.idempotencyKeys) {
    summary.idempotencyKeysDeleted = await (summary.isDryRun ? countIdempotencyKeys : deleteIdempotencyKeys)(
      session,
      limits.idempotencyKeys,
    );
  }
  // Keys that are kept longer than their tasks. To find them means to look at all old keys.
  if (summary.isDryRun || (summary.daysDropped.length === 0 && summary.daysRewritten.length === 0)) return;
  summary.idempotencyKeysDeleted += await sweepRows(session, ORPHANED_KEYS_TO_DELETE, limits);
};

const clearDays = async (run: Run): Promise<void> => {
  const { session, limits, signal, summary } = run;
  if (!summary.isDryRun) await abandonRewrites(session, signal);
  const times = ENDED_STATUSES.flatMap((status) => limits.tasks[status]?.getTime() ?? []);
  if (times.length === 0) return;
  const days = await findExpiredDays(session, new Date(Math.max(...times)));
  for (const [i, each] of days.entries()) {
    const { day } = each;
    const { outcome, unfinished = 0, without = [] } = await clearDay(run, each);
    if (outcome === 'dropped') summary.daysDropped.push(day);
    else if (outcome === 'rewritten') summary.daysRewritten.push({ day, without });
    else if (outcome === 'held') summary.daysHeld.push({ day, unfinished });
    else if (outcome === 'busy') {
      // Whatever keeps this day's locks keeps those of the others.
      summary.daysBusy.push(...days.slice(i).map((later) => later.day));
      return;
    }
  }
};

interface ClearedDay {
  outcome: 'dropped' | 'rewritten' | 'held' | 'busy' | 'kept';
  unfinished?: number;
  without?: readonly EndedStatus[];
}

/** Drops a day when all its tasks have had their time; rewrites it without those that have, where others have not. */
const clearDay = async ({ session, limits, signal, summary }: Run, day: TaskDay): Promise<ClearedDay> => {
  const hasExpired = (status: EndedStatus): boolean => {
    const limit = limits.tasks[status];
    return limit !== null && day.end <= limit;
  };
  const without = ENDED_STATUSES.filter(hasExpired);
  if (without.length === ENDED_STATUSES.length) {
    return summary.isDryRun ? judgeDay(session, day.day) : dropDay(session, day.day, signal);
  }
  if (without.every((status) => day.without.includes(status))) return { outcome: 'kept' };
  return { outcome: summary.isDryRun ? 'rewritten' : await rewriteDay(session, day.day, without, signal), without };
};

const judgeDay = async (session: Session, day: string): Promise<ClearedDay> => {
  const unfinished = await countUnfinished(session, day);
  return { outcome: unfinished > 0 ? 'held' : 'dropped', unfinished };
};
