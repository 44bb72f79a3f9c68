import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import { TaskFlowError } from '../errors.ts';
import type { RealtimeRouter } from '../realtime/router.ts';
import { StateWatcher } from '../realtime/state-watcher.ts';
import { closing } from '../tasks/closing.ts';
import { findOperation } from './find-operations.ts';
import { findOperationRow, type Operation } from './operation-store.ts';

/** How often operations are read without a signal, in ms: while Redis is away nobody gives one. */
const REFRESH_MS = 1_000;

/** Hands the states of operations to this node's subscribers; null where one is no longer kept. */
export class OperationWatcher extends StateWatcher<Operation | null> {
  constructor(database: Database, router: RealtimeRouter, logger: Logger) {
    super({
      read: (id) => findOperationRow(database, id),
      listen: (onSignal) => router.onOperationChange(onSignal),
      refreshMs: REFRESH_MS,
      what: 'an operation',
      logger,
    });
  }
}

/**
 * An operation as it is now, then whenever it has gone on, at most four times a second; ends with it.
 *
 * @param reach whose it must be; undefined for an admin
 * @throws TaskFlowError NOT_FOUND
 */
export const watchOperation = async (
  { database, operationWatcher }: { database: Database; operationWatcher: OperationWatcher },
  reach: string | undefined,
  id: string,
): Promise<AsyncIterableIterator<Operation>> => {
  const found = await findOperation(database, reach, id);
  if (!found) throw new TaskFlowError('NOT_FOUND', `There is no operation ${id}.`);
  const mailbox = await operationWatcher.watch(found.id);
  const states = async function* () {
    for await (const operation of mailbox) {
      if (!operation) return;
      yield operation;
      if (operation.finishedAt) return;
    }
  };
  return closing(mailbox, states());
};
