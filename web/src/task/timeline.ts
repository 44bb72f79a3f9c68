import type { TaskStatus } from '../schema.generated.ts';
import { hasEnded, type ShownTask } from './use-task.ts';

type TaskEvent = ShownTask['events'][number];

/** How long a task stood somewhere. */
export interface Stay {
  seq: number;
  status: TaskStatus;
  /** Of this attempt; 0 before the first. */
  attempt: number;
  workerId: string | undefined;
  at: string;
  /** From the first transition on, in ms. */
  startMs: number;
  /** 0 for its end, where it stays. */
  lengthMs: number;
  /** It goes on. */
  isOpen: boolean;
  /** The error or the reason, in words. */
  note: string | undefined;
}

/** @param nowMs until when what goes on is drawn */
export const staysOf = (events: readonly TaskEvent[], nowMs: number): Stay[] => {
  const firstMs = Date.parse(events[0]?.at ?? '');
  return events.map((event, i) => {
    const atMs = Date.parse(event.at);
    const next = events[i + 1];
    const isOpen = !next && !hasEnded(event.status);
    const untilMs = next ? Date.parse(next.at) : isOpen ? nowMs : atMs;
    return {
      seq: event.seq,
      status: event.status,
      attempt: event.attempt,
      workerId: event.workerId ?? undefined,
      at: event.at,
      // Clocks of several machines: never backwards.
      startMs: Math.max(atMs - firstMs, 0),
      lengthMs: Math.max(untilMs - atMs, 0),
      isOpen,
      note: noteOf(event.detail),
    };
  });
};

/** How often it was put back after its end. */
export const countRetries = (events: readonly TaskEvent[]): number =>
  events.filter((_event, i) => i > 0 && hasEnded(events[i - 1]?.status ?? 'QUEUED')).length;

const REASONS: Record<string, string> = {
  LEASE_EXPIRED: 'its worker was not heard of any more',
  BROKER_LOST: 'Redis had lost it',
  RELEASED: 'its worker handed it back',
  CANCELLED: 'somebody cancelled it',
  PURGED: 'its queue was purged',
  PARENTS_ENDED: 'what it waited for has ended',
  PARENT_FAILED: 'a task that it waited for failed',
  PARENT_CANCELLED: 'a task that it waited for was cancelled',
};

const noteOf = (detail: unknown): string | undefined => {
  if (detail === null || typeof detail !== 'object') return undefined;
  const { reason, message, code } = detail as { reason?: unknown; message?: unknown; code?: unknown };
  const parts = [
    typeof reason === 'string' ? (REASONS[reason] ?? reason) : undefined,
    typeof code === 'string' ? code : undefined,
    typeof message === 'string' ? message : undefined,
  ].filter((part) => part !== undefined);
  return parts.length > 0 ? parts.join(': ') : undefined;
};
