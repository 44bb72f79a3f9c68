/**
 * The states of a task and the legal moves between them: the one table that the Lua functions, the recorder and the
 * tests use. The diagram is in docs/task-states.md.
 */
export const LEGAL_MOVES = {
  /** Not due yet, or waiting for its retry. */
  SCHEDULED: ['QUEUED', 'CANCELLED'],
  /** For tasks that it depends on. */
  WAITING: ['QUEUED', 'SCHEDULED', 'CANCELLED'],
  QUEUED: ['PROCESSING', 'CANCELLED'],
  /**
   * Back to QUEUED when its worker died or handed it back; to SCHEDULED when it failed and attempts are left. To itself
   * when it was asked to stop: its worker is told, and subscribers see it.
   */
  PROCESSING: ['COMPLETED', 'FAILED', 'CANCELLED', 'QUEUED', 'SCHEDULED', 'PROCESSING'],
  COMPLETED: [],
  /** Attempts used up: the dead letter. To WAITING when it is retried together with tasks that it depends on. */
  FAILED: ['QUEUED', 'WAITING'],
  /** As FAILED. */
  CANCELLED: ['QUEUED', 'WAITING'],
} as const satisfies Record<string, readonly string[]>;

export type TaskStatus = keyof typeof LEGAL_MOVES;
export type TaskPriority = 'HIGH' | 'NORMAL' | 'LOW';

export const TASK_STATUSES = Object.keys(LEGAL_MOVES) as TaskStatus[];

/** Statuses of tasks that Redis knows; the others have ended. */
export const LIVE_STATUSES: readonly TaskStatus[] = ['SCHEDULED', 'WAITING', 'QUEUED', 'PROCESSING'];

export const hasEnded = (status: TaskStatus): boolean => !LIVE_STATUSES.includes(status);

export const isLegalMove = (from: TaskStatus, to: TaskStatus): boolean =>
  (LEGAL_MOVES[from] as readonly TaskStatus[]).includes(to);

/** The statuses in which a task can begin. */
export const FIRST_STATUSES: readonly TaskStatus[] = ['QUEUED', 'SCHEDULED', 'WAITING'];
