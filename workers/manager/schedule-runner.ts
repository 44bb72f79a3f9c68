import type { Logger } from 'pino';
import type { Broker } from '../../src/broker/lanes.ts';
import type { Config } from '../../src/config.ts';
import type { Database } from '../../src/database/client.ts';
import { reportFailures } from '../../src/logger.ts';
import { DrainingQueues } from '../../src/queues/draining-queues.ts';
import { type FireServices, fireSchedules, msUntilDue } from '../../src/schedules/fire-schedules.ts';
import { sleep } from '../../src/sleep.ts';
import { TaskTypes } from '../../src/tasks/task-types.ts';
import type { Handover } from './handover.ts';

/** How long it sleeps at most, in ms: so late a schedule may be noticed that was just made, or changed. */
const MAX_SLEEP_MS = 1_000;
/** How long it sleeps when another manager is serving what is due, in ms. */
const MIN_SLEEP_MS = 20;

export interface ScheduleRunnerOptions {
  broker: Broker;
  database: Database;
  handover: Handover;
  config: Pick<Config, 'MAX_PAYLOAD_BYTES'>;
  logger: Logger;
}

export interface ScheduleRunner {
  /** Finishes the round that is under way. */
  stop(): Promise<void>;
}

/**
 * Makes the tasks of schedules when they are due. Every manager does it, without a leader: the rows' locks in PostgreSQL
 * share the work, and when a manager dies its locks end and another one serves the same due times, at once.
 *
 * It sleeps until the next one is due, at most a second: one look into a small index, then.
 */
export const startScheduleRunner = (options: ScheduleRunnerOptions): ScheduleRunner => {
  const { broker, database, handover, config, logger } = options;
  const { taskWriter } = handover;
  const taskRules = rulesOf(
    new TaskTypes(broker, logger),
    new DrainingQueues(database, logger),
    config.MAX_PAYLOAD_BYTES,
  );
  const stopping = new AbortController();
  const running = (async () => {
    await handover.prepare(stopping.signal);
    await run({ database, taskWriter, taskRules, logger }, stopping.signal);
  })();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
};

/**
 * As for a submission, but a type that no worker has announced is let through: nobody is there to submit again after the
 * types have been lost with Redis, and the task can wait for its worker.
 */
const rulesOf = (
  taskTypes: TaskTypes,
  drainingQueues: DrainingQueues,
  maxPayloadBytes: number,
): FireServices['taskRules'] => ({
  maxPayloadBytes,
  prepare: async () => {
    await Promise.all([taskTypes.refresh(), drainingQueues.refresh()]);
  },
  isDraining: drainingQueues.has,
  checkPayload: (type, payload, path) => {
    if (taskTypes.knows(type)) taskTypes.checkPayload(type, payload, path);
  },
  defaultsOf: taskTypes.defaultsOf,
});

const run = async (services: FireServices, signal: AbortSignal): Promise<void> => {
  const report = reportFailures(services.logger, {
    outage: 'PostgreSQL cannot be reached; schedules wait',
    fault: 'could not serve the schedules; will try again',
  });
  while (!signal.aborted) {
    let sleepMs: number;
    try {
      sleepMs = await serve(services);
    } catch (error) {
      report(error);
      sleepMs = MAX_SLEEP_MS;
    }
    if (sleepMs > 0) await sleep(sleepMs, signal);
  }
};

/** @returns how long there is nothing to do, in ms */
const serve = async (services: FireServices): Promise<number> => {
  const dueInMs = await msUntilDue(services.database);
  if (dueInMs === null || dueInMs > 0) return Math.ceil(Math.min(dueInMs ?? MAX_SLEEP_MS, MAX_SLEEP_MS));
  return (await fireSchedules(services)) > 0 ? 0 : MIN_SLEEP_MS;
};
