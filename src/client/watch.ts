import { setTimeout as wait } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { ApiError, isFaults, toApiError } from './errors.ts';
import { type OnWire, type TaskTransition, TRANSITION_FIELDS, toTransition } from './task.ts';

export interface WatchOptions {
  /** The seq of the last transition that was seen. Default: 0, from the first one on. */
  afterSeq?: number | undefined;
  /** Ends the watching; the loop over it throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** How long the API may be away at a stretch before it is given up, in ms. Default: 5 minutes. */
  patienceMs?: number | undefined;
}

const DEFAULT_PATIENCE_MS = 5 * 60 * 1_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** The API is there, but not now. */
const PASSING_CODES = new Set(['UNAVAILABLE', 'SLOW_CONSUMER', 'RATE_LIMITED']);
/** Of a WebSocket: bad credentials and faults of the protocol, which another try would meet as well. */
const FINAL_CLOSE_CODES = new Map([
  [4400, 'BAD_USER_INPUT'],
  [4401, 'UNAUTHENTICATED'],
  [4403, 'FORBIDDEN'],
  [4406, 'BAD_USER_INPUT'],
]);

const TASK_EVENTS = `subscription ($id: ID!, $afterSeq: Int!) {
  taskEvents(id: $id, afterSeq: $afterSeq) { ${TRANSITION_FIELDS} }
}`;

type Data = { taskEvents: OnWire<TaskTransition> };

/**
 * A task's transitions, each once and in order, past ones first, until the task has ended. After a cut connection it goes on
 * where it was, by itself.
 *
 * @throws ApiError as the API says (NOT_FOUND, UNAUTHENTICATED, …); UNAVAILABLE when it was away for too long
 */
export async function* watchTask(
  connection: Connection,
  id: string,
  options: WatchOptions = {},
): AsyncGenerator<TaskTransition, void, undefined> {
  const { signal, patienceMs = DEFAULT_PATIENCE_MS } = options;
  let seq = options.afterSeq ?? 0;
  let tries = 0;
  let awaySince: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    try {
      for await (const event of follow(connection, id, seq, signal)) {
        seq = event.seq;
        tries = 0;
        awaySince = undefined;
        yield event;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const fault = toFault(error);
      awaySince ??= performance.now();
      const waitMs = (fault.retryAfter ?? 0) * 1_000 || Math.min(FIRST_WAIT_MS * 2 ** tries++, LONGEST_WAIT_MS);
      if (!PASSING_CODES.has(fault.code) || performance.now() + waitMs > awaySince + patienceMs) throw fault;
      await wait(waitMs, undefined, { signal });
    }
  }
}

/** One subscription, as long as its connection holds. */
async function* follow(
  connection: Connection,
  id: string,
  afterSeq: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<TaskTransition, void, undefined> {
  const subscription = connection.subscribe<Data>(TASK_EVENTS, { id, afterSeq });
  // Otherwise it would be heard only with the next transition.
  const stop = (): void => void subscription.return?.();
  signal?.addEventListener('abort', stop);
  try {
    for await (const { data, errors } of subscription as AsyncIterable<{ data?: Data | null; errors?: unknown }>) {
      if (isFaults(errors)) throw toApiError(errors);
      if (data) yield toTransition(data.taskEvents);
    }
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener('abort', stop);
    await subscription.return?.();
  }
}

const toFault = (error: unknown): ApiError => {
  if (error instanceof ApiError) return error;
  if (isFaults(error)) return toApiError(error);
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  const final = typeof code === 'number' ? FINAL_CLOSE_CODES.get(code) : undefined;
  const message = typeof reason === 'string' && reason !== '' ? reason : 'the connection to the API was lost';
  return new ApiError(message, { code: final ?? 'UNAVAILABLE' }, { cause: error });
};
