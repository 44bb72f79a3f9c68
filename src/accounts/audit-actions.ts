/** Everything that is written to the audit log, with what it means. */
export const AUDIT_ACTIONS = {
  SIGNED_UP: 'Made an account; `target` is the user.',
  LOGGED_IN: 'Logged in.',
  LOGIN_FAILED: 'Gave a wrong password for the account in `target`, or named none that exists. Counted by the minute.',
  PASSWORD_CHANGED: 'Changed the password, which ended all other logins.',
  ACCOUNT_DELETED: 'Deleted the account.',
  API_KEY_CREATED: 'Made the API key in `target`.',
  API_KEY_ROTATED: 'Replaced the API key in `target`.',
  API_KEY_REVOKED: 'Revoked the API key in `target`.',
  USER_PROMOTED: 'Made the user in `target` an admin.',
  USER_DEMOTED: 'Made the admin in `target` an ordinary user.',
  USER_LOCKED: 'Locked the user in `target`.',
  USER_UNLOCKED: 'Unlocked the user in `target`.',
  TASK_CANCELLED: "As an admin, cancelled somebody else's task.",
  TASK_RETRIED: "As an admin, put somebody else's task back.",
  TASKS_RETRIED: 'Began to put back many tasks: the operation in `target`.',
  TASKS_CANCELLED: 'Began to cancel many tasks: the operation in `target`.',
  TASKS_DELETED: 'Began to delete many tasks: the operation in `target`.',
  OPERATION_CANCELLED: 'Ended the operation in `target` before it was done.',
  QUEUE_PURGED: 'Began to cancel all waiting tasks of the queue in `target`.',
  SCHEDULE_UPDATED: "As an admin, changed somebody else's schedule.",
  SCHEDULE_PAUSED: "As an admin, paused somebody else's schedule.",
  SCHEDULE_RESUMED: "As an admin, ended the pause of somebody else's schedule.",
  SCHEDULE_DELETED: "As an admin, deleted somebody else's schedule.",
  SCHEDULE_RUN: "As an admin, made a task of somebody else's schedule.",
  QUEUE_PAUSED: 'Paused the queue in `target`.',
  QUEUE_DRAINED: 'Let the queue in `target` take no new tasks.',
  QUEUE_RESUMED: 'Resumed the queue in `target`.',
} as const;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

/** What admins do to what is somebody else's. */
export type AdminAction = Extract<AuditAction, `TASK_${string}` | `SCHEDULE_${string}`>;
