import { type Config, loadConfig, type Need, readEnvironment } from './config.ts';
import { TaskFlowError } from './errors.ts';
import { describeErrorInText } from './log-errors.ts';
import { createLogger, type Logger } from './logger.ts';
import type { Registry } from './metrics/registry.ts';
import type { MetricsServer } from './metrics/serve-metrics.ts';
import type { Readiness } from './readiness.ts';
import { getTracing, setTracing } from './tracing/tracing.ts';

/** What is told to stop when the process is. */
export interface Running {
  stop(): Promise<void>;
  /** Whether it can do its work. Default: as long as it runs. */
  checkReadiness?(): Promise<Readiness>;
}

/** @param registry where a process counts what it does; undefined where nobody asks */
export type Start = (config: Config, logger: Logger, registry?: Registry) => Promise<Running> | Running;

/** Ends with one line on stderr for errors that a person can mend, with a stack for the others. */
export const exitWith = (error: unknown): never => {
  const text = error instanceof TaskFlowError ? error.message : describeErrorInText(error);
  process.stderr.write(`${text}\n`);
  process.exit(1);
};

/** A process that has not stopped after this time ends at once. */
const MAX_STOP_MS = 60_000;
/** A Ctrl-C reaches a process twice: from the terminal, and passed on by its parent. A second signal counts after this. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs one kind of process until SIGTERM or SIGINT (a second one ends it at once), or until the process that started it is gone (`taskflow up` keeps a
 * channel open to its children for that).
 *
 * @param needs the settings that this kind cannot do without
 * @param start begins the work; what it returns is stopped at the end
 * @param settings go before those of the environment; undefined ones do not count
 */
export const runProcess = async (
  name: string,
  needs: readonly Need[],
  start: Start,
  settings: Record<string, string | undefined> = {},
): Promise<void> => {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const config = loadConfig(needs, { ...readEnvironment(), ...Object.fromEntries(given) });
  const logger = createLogger(config.LOG_LEVEL, name);
  endOnFaults(logger);
  const metrics = await openMetrics(config, name, logger);
  await openTraces(config, name, logger);
  const running = await start(config, logger, metrics?.registry);
  metrics?.readyWhen(async () => running.checkReadiness?.() ?? { isReady: true, parts: {} });
  let stoppingSince: number | undefined;
  const stop = (reason: string): void => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    logger.info({ reason }, 'stopping');
    setTimeout(() => process.exit(1), MAX_STOP_MS).unref();
    metrics?.stopping();
    const stopped = running.stop().then(() => getTracing()?.close());
    stopped.then(
      () => {
        logger.info('stopped');
        process.exit(0);
      },
      (error) => {
        logger.error({ err: error }, 'could not stop in order');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.channel) process.on('disconnect', () => stop('its parent is gone'));
  logger.info('started');
};

/** Node would write out all that hangs on the error: the arguments of a command to Redis, say. */
const endOnFaults = (logger: Logger): void => {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'a fault ends the process');
    process.exit(1);
  });
};

/** Loads nothing of it where nobody asks for it. */
const openMetrics = async (config: Config, name: string, logger: Logger): Promise<MetricsServer | undefined> => {
  if (config.METRICS_PORT === undefined) return undefined;
  const { serveMetrics } = await import('./metrics/serve-metrics.ts');
  return serveMetrics(config, name, logger);
};

/** Loads nothing of it where traces are sent to nobody. */
const openTraces = async (config: Config, name: string, logger: Logger): Promise<void> => {
  if (config.OTEL_EXPORTER_OTLP_ENDPOINT === '') return;
  const { openTracing } = await import('./tracing/open-tracing.ts');
  setTracing(openTracing(config, name, logger));
};
