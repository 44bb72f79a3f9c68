import type { Logger } from 'pino';
import type { Broker } from '../../src/broker/lanes.ts';
import type { Config } from '../../src/config.ts';
import type { Database } from '../../src/database/client.ts';
import { reportFailures } from '../../src/logger.ts';
import { createPurgePasses } from '../../src/operations/purge-queue.ts';
import { type WorkServices, workOnOperations } from '../../src/operations/work-on-operations.ts';
import { sleep } from '../../src/sleep.ts';
import type { Handover } from './handover.ts';

/** How long it sleeps where there is nothing to do, in ms: one look into a small index, then. */
const IDLE_MS = 500;
/** How long it sleeps after a failure, in ms. */
const FAILURE_MS = 1_000;
/** The longest rest between two steps, in ms. It rests as long as it worked: others get half of the time at least. */
const MAX_REST_MS = 200;

export interface OperationRunnerOptions {
  broker: Broker;
  database: Database;
  handover: Handover;
  config: Pick<Config, 'CANCEL_GRACE_MS'>;
  logger: Logger;
}

export interface OperationRunner {
  /** Finishes the step that is under way. */
  stop(): Promise<void>;
}

/**
 * Works on operations, step by step. Every manager does it, without a leader: the rows' locks in PostgreSQL share the work,
 * and when a manager dies its locks end and another one goes on.
 */
export const startOperationRunner = (options: OperationRunnerOptions): OperationRunner => {
  const { broker, database, handover, config, logger } = options;
  const stopping = new AbortController();
  const services: WorkServices = {
    broker,
    database,
    taskWriter: handover.taskWriter,
    cancelGraceMs: config.CANCEL_GRACE_MS,
    purgePasses: createPurgePasses(),
    failures: new Map(),
    logger,
  };
  const running = run(services, handover, stopping.signal);
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
};

const run = async (services: WorkServices, handover: Handover, signal: AbortSignal): Promise<void> => {
  const report = reportFailures(services.logger, {
    outage: 'operations wait for PostgreSQL or Redis',
    fault: 'could not work on an operation; will try again',
  });
  await handover.prepare(signal);
  while (!signal.aborted) {
    const startedAt = performance.now();
    try {
      const hasWorked = await workOnOperations(services);
      await sleep(hasWorked ? Math.min(performance.now() - startedAt, MAX_REST_MS) : IDLE_MS, signal);
    } catch (error) {
      report(error);
      await sleep(FAILURE_MS, signal);
    }
  }
};
