/** What one run did, or with `isDryRun` what it would do. Of dates only the days that partitions stand for: "2026-10-24". */
export interface Summary {
  isDryRun: boolean;
  partitionDaysMade: number;
  apiKeysRevoked: number;
  apiKeysDeleted: number;
  /** That have expired. */
  loginsDeleted: number;
  idempotencyKeysDeleted: number;
  /** Whole days of tasks and their events. */
  daysDropped: string[];
  /** Days that stay without the tasks that ended so. */
  daysRewritten: { day: string; without: readonly string[] }[];
  /** Expired days that stay because of tasks that have not ended. */
  daysHeld: { day: string; unfinished: number }[];
  /** Expired days whose locks others held all the time, and those after them; and days that changed too much while they were rewritten. */
  daysBusy: string[];
  /** From the default partition. */
  tasksDeleted: number;
  /** Of failed tasks whose day was dropped. */
  deadLettersDeleted: number;
  scheduleRunsDeleted: number;
  /** Without tasks. */
  flowsDeleted: number;
  queueMinutesDeleted: number;
  /** That ended 30 days ago. */
  operationsDeleted: number;
  auditEntriesDeleted: number;
  /** Steps that failed, with the reason; the others were done all the same. */
  failures: { step: string; reason: string }[];
}

export const emptySummary = (isDryRun: boolean): Summary => ({
  isDryRun,
  partitionDaysMade: 0,
  apiKeysRevoked: 0,
  apiKeysDeleted: 0,
  loginsDeleted: 0,
  idempotencyKeysDeleted: 0,
  daysDropped: [],
  daysRewritten: [],
  daysHeld: [],
  daysBusy: [],
  tasksDeleted: 0,
  deadLettersDeleted: 0,
  scheduleRunsDeleted: 0,
  flowsDeleted: 0,
  queueMinutesDeleted: 0,
  operationsDeleted: 0,
  auditEntriesDeleted: 0,
  failures: [],
});

/** The summary as one line for people. */
export const describeSummary = (summary: Summary): string => {
  const { daysDropped, daysRewritten, daysHeld, daysBusy, failures } = summary;
  const held = daysHeld.map(({ day, unfinished }) => `${day} by ${unfinished}`);
  const rewritten = daysRewritten.map(({ day, without }) => `${day} without ${without.join(' and ')}`);
  const parts = [
    `API keys: ${summary.apiKeysRevoked} revoked, ${summary.apiKeysDeleted} deleted`,
    `expired logins: ${summary.loginsDeleted} deleted`,
    `idempotency keys: ${summary.idempotencyKeysDeleted} deleted`,
    `days of tasks: ${daysDropped.length} dropped${named(daysDropped)}, ${rewritten.length} rewritten${named(rewritten)}, ${held.length} held by unfinished tasks${named(held)}, ${daysBusy.length} busy${named(daysBusy)}`,
    `tasks outside of days: ${summary.tasksDeleted} deleted`,
    `dead letters: ${summary.deadLettersDeleted} deleted`,
    `runs of schedules: ${summary.scheduleRunsDeleted} deleted`,
    `flows without tasks: ${summary.flowsDeleted} deleted`,
    `queue minutes: ${summary.queueMinutesDeleted} deleted`,
    `operations: ${summary.operationsDeleted} deleted`,
    `audit entries: ${summary.auditEntriesDeleted} deleted`,
    `days of partitions: ${summary.partitionDaysMade} made`,
    ...failures.map(({ step, reason }) => `could not ${step}: ${reason}`),
  ];
  return `${summary.isDryRun ? 'Nothing was changed; this would happen. ' : ''}${parts.join('; ')}.`;
};

const named = (names: readonly string[]): string => (names.length === 0 ? '' : ` (${names.join(', ')})`);
