import type { Logger } from 'pino';
import { endedParentsChannel } from '../../src/broker/keys.ts';
import type { Broker } from '../../src/broker/lanes.ts';
import type { Database } from '../../src/database/client.ts';
import { reportFailures } from '../../src/logger.ts';
import { type ResolveServices, resolveDependencies } from '../../src/tasks/resolve-dependencies.ts';
import type { Handover } from './handover.ts';

/** How long it sleeps at most, in ms: so late an end may be noticed whose message was lost. */
const MAX_SLEEP_MS = 1_000;

export interface DependencyRunnerOptions {
  broker: Broker;
  database: Database;
  handover: Handover;
  logger: Logger;
}

export interface DependencyRunner {
  /** Looks for ended parents at once. */
  wake(): void;
  /** Finishes the round that is under way. */
  stop(): Promise<void>;
}

/**
 * Sets tasks free when the tasks they wait for have ended. Every manager does it, without a leader: the locks of the entries in
 * `ended_parents` share the work.
 *
 * It is woken by the recorders of its process and by messages from others, and looks by itself each second.
 */
export const startDependencyRunner = ({
  broker,
  database,
  handover,
  logger,
}: DependencyRunnerOptions): DependencyRunner => {
  const alarm = new Alarm();
  const subscriber = broker.high.connect();
  subscriber.on('message', () => alarm.ring());
  subscriber
    .subscribe(endedParentsChannel(broker.prefix))
    .catch((err: unknown) => logger.debug({ err }, 'stopped before Redis could be listened to'));
  const stopping = new AbortController();
  const running = (async () => {
    await handover.prepare(stopping.signal);
    await run({ database, taskWriter: handover.taskWriter, logger }, alarm, stopping.signal);
  })();
  return {
    wake: () => alarm.ring(),
    stop: async () => {
      stopping.abort();
      alarm.ring();
      await running;
      subscriber.disconnect();
    },
  };
};

const run = async (services: ResolveServices, alarm: Alarm, signal: AbortSignal): Promise<void> => {
  const report = reportFailures(services.logger, {
    outage: 'PostgreSQL cannot be reached; tasks wait for their parents',
    fault: 'could not resolve dependencies; will try again',
  });
  while (!signal.aborted) {
    try {
      if ((await resolveDependencies(services)) > 0) continue;
    } catch (error) {
      report(error);
    }
    await alarm.sleep(MAX_SLEEP_MS);
  }
};

/** A sleep that others can end, also one that is only about to begin. */
class Alarm {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  async sleep(ms: number): Promise<void> {
    if (!this.#isRung) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#isRung = false;
  }
}
