import { channel } from 'node:diagnostics_channel';

/** A channel of this process on which a part says what it did. Whoever counts subscribes; nobody has to. */
export interface Diagnostics<Message> {
  /** Asked before a message is made: without subscribers it costs a property read. */
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
  subscribe(listener: (message: Message) => void): void;
  unsubscribe(listener: (message: Message) => void): void;
}

const open = <Message>(name: string): Diagnostics<Message> =>
  channel(`taskflow:${name}`) as unknown as Diagnostics<Message>;

/** A transition that PostgreSQL has committed. */
export interface CommittedTransition {
  queue: string;
  status: string;
  taskId: string;
  seq: number;
  atMs: number;
  type: string;
  attempt: number;
  /** W3C Trace Context of the task's submission, where that is traced. */
  traceparent?: string | undefined;
}

/** Tasks were written with their first transition, in one statement. */
export const tasksWritten = open<{ tasks: number; durationMs: number }>('tasks-written');

/** Transitions were committed that their writer made itself: submissions, and what happens to tasks outside of Redis. */
export const transitionsWritten = open<readonly CommittedTransition[]>('transitions-written');

/** Committed tasks could not be given to Redis: the reconciler will. */
export const enqueueFailed = open<{ tasks: number }>('enqueue-failed');

/** A recorder committed a batch of what happened in Redis. */
export interface RecordedBatch {
  shardId: string;
  /** Those that were new. */
  transitions: readonly CommittedTransition[];
  /** How many contradicted PostgreSQL and were dropped. */
  refused: number;
  durationMs: number;
}
export const batchRecorded = open<RecordedBatch>('batch-recorded');

/** Attempts were taken back whose lease had expired. */
export const leasesExpired = open<{ attempts: number }>('leases-expired');

/** A worker's call for tasks was answered. */
export interface ClaimedBatch {
  workerId: string;
  claims: readonly { id: string; queue: string; type: string; traceparent?: string | undefined }[];
  durationMs: number;
}
export const tasksClaimed = open<ClaimedBatch>('tasks-claimed');

/** How an attempt ended for the worker that ran it. */
export type AttemptEnd = 'completed' | 'retried' | 'failed' | 'released' | 'lost';
export interface EndedAttempt {
  type: string;
  outcome: AttemptEnd;
  durationMs: number;
}
export const attemptEnded = open<EndedAttempt>('attempt-ended');

/** A worker told Redis how attempts ended, in one call. */
export const attemptsReported = open<{ attempts: number; lost: number; durationMs: number }>('attempts-reported');

/** A run of the janitor is over. */
export const janitorRan = open<{ outcome: 'done' | 'failed' | 'skipped'; durationMs: number }>('janitor-ran');
