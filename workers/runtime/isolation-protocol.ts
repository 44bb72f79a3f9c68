import type { MessagePort } from 'node:worker_threads';
import type { LogLevel } from './define-task.ts';
import type { Outcome } from './outcome.ts';

/** What a thread is given to run one attempt. */
export interface IsolatedRun {
  /** File URL of the module that exports the task type. */
  module: string;
  type: string;
  taskId: string;
  attempt: number;
  maxAttempts: number;
  ownerId: string;
  queue: string;
  /** JSON text. */
  payload: string;
  /** JSON text; empty where it waited for none. */
  parents: string;
  traceparent: string | undefined;
  logLevel: string;
  /** Carries a ThreadMessage from the thread, and a StopMessage to it. */
  port: MessagePort;
}

/** What the thread says. How it ended comes last. */
export type ThreadMessage =
  | { kind: 'started' }
  | { kind: 'progress'; percent: number; detail: unknown }
  | { kind: 'log'; level: LogLevel; message: string; fields: Record<string, unknown> | undefined }
  /** A line of the worker's own log, as pino writes it. */
  | { kind: 'line'; line: string }
  /** As JSON text. */
  | { kind: 'returned'; result: string }
  | { kind: 'thrown'; outcome: Outcome };

/** Tells the handler to stop, with the reason of its signal. */
export interface StopMessage {
  name: string;
  message: string;
  code: string | undefined;
  cause: unknown;
}
