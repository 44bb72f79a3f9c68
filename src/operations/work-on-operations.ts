import type { Logger } from 'pino';
import { type Database, sqlState } from '../database/client.ts';
import { isOutage } from '../outages.ts';
import { publishOperationChange } from '../realtime/publish.ts';
import { claimOperation, endOperation, putOff, saveStep } from './operation-store.ts';
import { type StepServices, takeStep } from './take-step.ts';

export interface WorkServices extends StepServices {
  database: Database;
  logger: Logger;
  /** How often in a row the steps of an operation have failed here, by its id. */
  failures: Map<string, number>;
}

/** After so many failures in a row that are no outage, an operation is FAILED. */
const MAX_FAILURES = 5;
/** Two transactions locked each other out, or one came between, or held a lock: trying again helps. */
const CLASHES = new Set(['40001', '40P01', '55P03']);

/**
 * Takes one step of the operation that has waited longest for one. Any number of managers may call this at once: the row's
 * lock shares the work, and ends with a manager that dies.
 *
 * @returns whether there was one
 * @throws what Prisma and ioredis throw in an outage; then nothing is lost, and the same step is taken later
 */
export const workOnOperations = async (services: WorkServices): Promise<boolean> => {
  const { database, taskWriter, failures } = services;
  let claimed: string | undefined;
  try {
    const epochs = taskWriter.knownEpochs();
    const step = await database.$transaction(async (transaction) => {
      const operation = await claimOperation(transaction);
      if (!operation) return undefined;
      claimed = operation.id;
      const taken = await takeStep(services, { transaction, epochs }, operation);
      await saveStep(transaction, operation, taken);
      return taken;
    });
    step?.afterCommit?.();
  } catch (error) {
    if (claimed === undefined) throw error;
    await noteFailure(services, claimed, error);
  }
  if (claimed === undefined) return false;
  failures.delete(claimed);
  await announce(services, claimed);
  return true;
};

/** @throws the error, unless the operation goes on, or is FAILED by now */
const noteFailure = async ({ database, logger, failures }: WorkServices, id: string, error: unknown): Promise<void> => {
  if (CLASHES.has(sqlState(error) ?? '')) return;
  // Others go first: what they need may be there.
  await putOff(database, id).catch(() => undefined);
  if (isOutage(error)) throw error;
  const count = (failures.get(id) ?? 0) + 1;
  failures.set(id, count);
  if (count < MAX_FAILURES) throw error;
  logger.error({ err: error, operation: id }, 'an operation failed');
  await endOperation(database, id, 'FAILED', 'A fault of ours ended it; what was done stays done.');
};

/** Subscribers look when they are told, and by themselves every so often. */
const announce = async ({ broker }: WorkServices, id: string): Promise<void> => {
  await Promise.all(broker.lanes.map((lane) => publishOperationChange(broker, lane, id).catch(() => undefined)));
};
