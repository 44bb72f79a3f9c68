import type { Config } from '../../src/config.ts';
import type { TaskStatus } from '../../src/tasks/task-state.ts';

export type RetentionSettings = Pick<
  Config,
  | 'API_KEY_STALE_DAYS'
  | 'API_KEY_RETENTION_DAYS'
  | 'IDEMPOTENCY_KEY_RETENTION_HOURS'
  | 'TASK_RETENTION_DAYS'
  | 'COMPLETED_RETENTION_DAYS'
  | 'FAILED_RETENTION_DAYS'
  | 'CANCELLED_RETENTION_DAYS'
  | 'QUEUE_MINUTES_RETENTION_DAYS'
  | 'AUDIT_RETENTION_DAYS'
>;

/** Whatever is dated at one of these instants, or before, has had its time. Null: it is kept for ever. */
export interface Limits {
  now: Date;
  /** Last use, or else creation, of an API key. */
  apiKeyUse: Date | null;
  /** Revocation of an API key. */
  apiKeyRevocation: Date | null;
  idempotencyKeys: Date | null;
  /** By how a task ended: the end of its day; the submission of one in the default partition. */
  tasks: Readonly<Record<EndedStatus, Date | null>>;
  /** Due times of schedules: younger ones are all kept, so that none is served twice. */
  recentRuns: Date;
  /** Older ones are not kept at all. */
  scheduleRuns: Date;
  queueMinutes: Date | null;
  audit: Date | null;
  /** The end of an operation. */
  operations: Date;
}

export const ENDED_STATUSES = ['COMPLETED', 'FAILED', 'CANCELLED'] as const satisfies readonly TaskStatus[];
export type EndedStatus = (typeof ENDED_STATUSES)[number];

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;
/** How long operations that have ended are shown. */
const OPERATION_RETENTION_DAYS = 30;
const RECENT_RUNS_MS = DAY_MS;
const RUN_RETENTION_MS = 30 * DAY_MS;

/** @param now by PostgreSQL's clock, which also dates the rows */
export const limitsAt = (now: Date, settings: RetentionSettings): Limits => {
  const before = (count: number, unitMs: number): Date | null =>
    count === 0 ? null : new Date(now.getTime() - count * unitMs);
  return {
    now,
    apiKeyUse: before(settings.API_KEY_STALE_DAYS, DAY_MS),
    apiKeyRevocation: before(settings.API_KEY_RETENTION_DAYS, DAY_MS),
    idempotencyKeys: before(settings.IDEMPOTENCY_KEY_RETENTION_HOURS, HOUR_MS),
    tasks: {
      COMPLETED: before(settings.COMPLETED_RETENTION_DAYS ?? settings.TASK_RETENTION_DAYS, DAY_MS),
      FAILED: before(settings.FAILED_RETENTION_DAYS ?? settings.TASK_RETENTION_DAYS, DAY_MS),
      CANCELLED: before(settings.CANCELLED_RETENTION_DAYS ?? settings.TASK_RETENTION_DAYS, DAY_MS),
    },
    recentRuns: new Date(now.getTime() - RECENT_RUNS_MS),
    scheduleRuns: new Date(now.getTime() - RUN_RETENTION_MS),
    queueMinutes: before(settings.QUEUE_MINUTES_RETENTION_DAYS, DAY_MS),
    operations: new Date(now.getTime() - OPERATION_RETENTION_DAYS * DAY_MS),
    audit: before(settings.AUDIT_RETENTION_DAYS, DAY_MS),
  };
};
