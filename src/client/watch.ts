import type { Connection } from './connection.ts';
import { isFaults, toApiError } from './errors.ts';
import { Patience, type PatienceOptions } from './patience.ts';
import { type OnWire, type TaskTransition, TRANSITION_FIELDS, toTransition } from './task.ts';

export interface WatchOptions extends PatienceOptions {
  /** The seq of the last transition that was seen. Default: 0, from the first one on. */
  afterSeq?: number | undefined;
}

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
  const { signal } = options;
  const patience = new Patience(options);
  let seq = options.afterSeq ?? 0;
  for (;;) {
    signal?.throwIfAborted();
    try {
      for await (const event of follow(connection, id, seq, signal)) {
        seq = event.seq;
        patience.reset();
        yield event;
      }
      return;
    } catch (error) {
      await patience.endure(error);
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
