import type { Connection } from './connection.ts';
import type { PatienceOptions } from './patience.ts';
import { subscribePatiently } from './subscription.ts';
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
  let seq = options.afterSeq ?? 0;
  const variables = () => ({ id, afterSeq: seq });
  for await (const { taskEvents } of subscribePatiently<Data>(connection, TASK_EVENTS, variables, options)) {
    seq = taskEvents.seq;
    yield toTransition(taskEvents);
  }
}
