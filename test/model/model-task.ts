import type { TaskPriority } from '../../src/tasks/task-state.ts';

export const LANES = ['high', 'low'] as const;
export type LaneName = (typeof LANES)[number];
export type Status = 'SCHEDULED' | 'QUEUED' | 'PROCESSING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

/** What a task is submitted with. */
export interface TaskSpec {
  queue: string;
  type: string;
  priority: TaskPriority;
  maxAttempts: number;
  isDelayed: boolean;
}

/** An attempt that a worker was given. It may have lost its task since. */
export interface ModelAttempt {
  readonly task: ModelTask;
  readonly token: string;
  readonly worker: string;
}

export interface ModelEvent {
  status: Status;
  attempt: number;
  worker: string;
  /** The result, the error, or the reason; null for none. */
  data: unknown;
}

/** What PostgreSQL must have of a task. */
interface ModelRow {
  status: Status;
  seq: number;
  attempt: number;
  worker: string | null;
  result: unknown;
  error: unknown;
  cancelReason: unknown;
  hasEnded: boolean;
  isDead: boolean;
  events: ModelEvent[];
}

const ENDED: readonly Status[] = ['COMPLETED', 'FAILED', 'CANCELLED'];

/**
 * A task as the promises describe it: a list of events, of which PostgreSQL has the first `recorded`, and whether Redis
 * knows it. Everything else follows from these.
 */
export class ModelTask {
  readonly id: string;
  readonly spec: TaskSpec;
  readonly events: ModelEvent[];
  recorded = 1;
  isLive = false;
  holder: ModelAttempt | undefined;
  /** Why it was told to stop, while it runs. */
  stopReason: unknown;

  constructor(id: string, spec: TaskSpec) {
    this.id = id;
    this.spec = spec;
    this.events = [{ status: spec.isDelayed ? 'SCHEDULED' : 'QUEUED', attempt: 0, worker: '', data: null }];
  }

  get lane(): LaneName {
    return this.spec.priority === 'HIGH' ? 'high' : 'low';
  }

  get line(): string {
    return `${this.spec.priority}|${this.spec.queue}|${this.spec.type}`;
  }

  get last(): ModelEvent {
    return this.events.at(-1) as ModelEvent;
  }

  get status(): Status {
    return this.last.status;
  }

  get seq(): number {
    return this.events.length;
  }

  get hasEnded(): boolean {
    return ENDED.includes(this.status);
  }

  move(status: Status, worker: string, data: unknown, attempt = this.last.attempt): void {
    this.events.push({ status, attempt, worker, data });
    if (status !== 'PROCESSING') this.holder = undefined;
    if (!this.hasEnded) return;
    this.isLive = false;
    this.stopReason = undefined;
  }

  /** What is not recorded is gone, and with it everything that Redis knew. */
  loseBroker(): void {
    this.events.length = this.recorded;
    this.holder = undefined;
    this.stopReason = undefined;
    this.isLive = false;
  }

  row(): ModelRow {
    const events = this.events.slice(0, this.recorded);
    const { status, attempt, worker } = events.at(-1) as ModelEvent;
    const row: ModelRow = {
      status,
      seq: events.length,
      attempt,
      worker: status === 'QUEUED' || status === 'SCHEDULED' ? null : worker || null,
      result: null,
      error: null,
      cancelReason: null,
      hasEnded: ENDED.includes(status),
      isDead: status === 'FAILED',
      // The result stands in the row only.
      events: events.map((event) => (event.status === 'COMPLETED' ? { ...event, data: null } : event)),
    };
    for (const event of events) fold(row, event);
    return row;
  }
}

const fold = (row: ModelRow, { status, data }: ModelEvent): void => {
  if (isRetry(data)) Object.assign(row, { result: null, error: null, cancelReason: null });
  if (status === 'COMPLETED') Object.assign(row, { result: data, error: null });
  if (data !== null && (status === 'FAILED' || status === 'SCHEDULED')) row.error = data;
  if (data !== null && (status === 'CANCELLED' || status === 'PROCESSING')) row.cancelReason = data;
};

const isRetry = (data: unknown): boolean => (data as { reason?: string } | null)?.reason === 'RETRIED';

/** Ids grow with time: the oldest first. */
export const byId = (a: ModelTask, b: ModelTask): number => (a.id < b.id ? -1 : 1);
