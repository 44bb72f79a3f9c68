import type { Config } from '../../src/config.ts';

export type RetentionSettings = Pick<
  Config,
  | 'API_KEY_STALE_DAYS'
  | 'API_KEY_RETENTION_DAYS'
  | 'IDEMPOTENCY_KEY_RETENTION_HOURS'
  | 'TASK_RETENTION_DAYS'
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
  /** The end of a day of tasks; the submission of those in the default partition. */
  tasks: Date | null;
  queueMinutes: Date | null;
  audit: Date | null;
}

const HOUR_MS = 60 * 60 * 1_000;
const DAY_MS = 24 * HOUR_MS;

/** @param now by PostgreSQL's clock, which also dates the rows */
export const limitsAt = (now: Date, settings: RetentionSettings): Limits => {
  const before = (count: number, unitMs: number): Date | null =>
    count === 0 ? null : new Date(now.getTime() - count * unitMs);
  return {
    now,
    apiKeyUse: before(settings.API_KEY_STALE_DAYS, DAY_MS),
    apiKeyRevocation: before(settings.API_KEY_RETENTION_DAYS, DAY_MS),
    idempotencyKeys: before(settings.IDEMPOTENCY_KEY_RETENTION_HOURS, HOUR_MS),
    tasks: before(settings.TASK_RETENTION_DAYS, DAY_MS),
    queueMinutes: before(settings.QUEUE_MINUTES_RETENTION_DAYS, DAY_MS),
    audit: before(settings.AUDIT_RETENTION_DAYS, DAY_MS),
  };
};
