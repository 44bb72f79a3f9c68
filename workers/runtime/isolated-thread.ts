import type { MessagePort } from 'node:worker_threads';
import pino, { type Logger } from 'pino';
import { SERIALIZERS } from '../../src/logger.ts';
import {
  definitionsOf,
  type LogLevel,
  type ParentOutcome,
  type TaskContext,
  type TaskDefinition,
} from './define-task.ts';
import { checkResult, validate } from './executor.ts';
import type { IsolatedRun, StopMessage, ThreadMessage } from './isolation-protocol.ts';
import { toJson } from './json-result.ts';
import { hookModules } from './module-hooks.ts';
import { DoNotRetryError, outcomeOfError } from './outcome.ts';

// What a thread of the pool runs: one attempt after the other.

hookModules();

/** Runs one attempt; says how it ended on its port, since what a handler throws would lose its class on the way. */
export default async (run: IsolatedRun): Promise<void> => {
  const say = (message: ThreadMessage): void => run.port.postMessage(message);
  say(await endOf(run, say));
};

const endOf = async (run: IsolatedRun, say: (message: ThreadMessage) => void): Promise<ThreadMessage> => {
  const signal = signalOf(run.port);
  try {
    const definition = await load(run);
    // A new thread has taken its time to load the module, which is not the handler's.
    say({ kind: 'started' });
    const payload = await validate(definition, JSON.parse(run.payload));
    const returned = await definition.handler(contextOf(run, payload, signal, say));
    const result = definition.result ? await checkResult(definition.result, returned) : returned;
    const json = toJson(result);
    if (typeof json === 'string') return { kind: 'returned', result: json };
    throw new DoNotRetryError(`the result is not JSON: ${json.problem}`, { code: 'RESULT_NOT_SERIALIZABLE' });
  } catch (error) {
    return { kind: 'thrown', outcome: outcomeOfError(error) };
  }
};

const load = async ({ module, type }: IsolatedRun): Promise<TaskDefinition> => {
  const definition = definitionsOf(await import(module)).find((one) => one.type === type);
  if (!definition) throw new Error(`${module} does not export the task type ${type}`);
  return definition;
};

/** Aborted when the worker says so. A handler that does not look at it is killed soon after. */
const signalOf = (port: MessagePort): AbortSignal => {
  const controller = new AbortController();
  port.on('message', ({ name, message, code, cause }: StopMessage) => {
    controller.abort(Object.assign(new Error(message, { cause }), { name, code }));
  });
  // Waiting for it keeps no handler alive.
  port.unref();
  return controller.signal;
};

const contextOf = (
  run: IsolatedRun,
  payload: unknown,
  signal: AbortSignal,
  say: (message: ThreadMessage) => void,
): TaskContext<unknown> => {
  const { taskId, attempt, maxAttempts, ownerId, queue, parents, traceparent, logLevel } = run;
  return {
    payload,
    signal,
    taskId,
    attempt,
    maxAttempts,
    ownerId,
    queue,
    parents: parents === '' ? {} : (JSON.parse(parents) as Record<string, ParentOutcome>),
    traceparent,
    logger: openLogger(logLevel, say),
    progress: (percent: number, detail?: unknown) => say({ kind: 'progress', percent, detail: toPlain(detail) }),
    log: (level: LogLevel, message: string, fields?: Record<string, unknown>) =>
      say({ kind: 'log', level, message, fields: toPlain(fields) as Record<string, unknown> | undefined }),
  };
};

const openLogger = (level: string, say: (message: ThreadMessage) => void): Logger =>
  pino({ level, serializers: SERIALIZERS }, { write: (line: string) => say({ kind: 'line', line }) });

/** As JSON would have it: functions and the like cannot be sent. */
const toPlain = (value: unknown): unknown => {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch {
    return undefined;
  }
};
