import { type Config, loadConfig } from '../../src/config.ts';
import { janitorRan } from '../../src/diagnostics.ts';
import { createLogger, type Logger } from '../../src/logger.ts';
import { sleep } from '../../src/sleep.ts';
import { cleanUp } from './janitor.ts';
import { describeSummary, type Summary } from './summary.ts';

const STDERR = 2;

const say = (summary: Summary | undefined, logger: Logger): void => {
  if (!summary) logger.info('another janitor is at work; left it to that one');
  else if (summary.failures.length > 0) logger.warn(summary, describeSummary(summary));
  else logger.info(summary, describeSummary(summary));
};

/**
 * `taskflow janitor`: cleans up once, and says in one line on stdout what it did. The log, as JSON, goes to stderr.
 *
 * @returns the exit code: 0, or 1 when a step failed or a signal ended it
 * @throws TaskFlowError UNAVAILABLE when PostgreSQL cannot be reached
 */
export const runJanitorOnce = async (isDryRun: boolean): Promise<number> => {
  const config = loadConfig(['database']);
  const stopping = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stopping.abort());
  try {
    const summary = await cleanUp({ config, isDryRun, signal: stopping.signal });
    say(summary, createLogger(config.LOG_LEVEL, 'janitor', STDERR));
    process.stdout.write(`${summary ? describeSummary(summary) : 'Another janitor is at work.'}\n`);
    return summary && summary.failures.length > 0 ? 1 : 0;
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    process.stdout.write('Stopped in the middle; the next run goes on.\n');
    return 1;
  }
};

/** `taskflow janitor --every 1h`: cleans up at once, and again so long after the end of each run. */
export const startJanitor = (
  config: Config,
  logger: Logger,
  { everyMs, isDryRun }: { everyMs: number; isDryRun: boolean },
): { stop(): Promise<void> } => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const repeat = async (): Promise<void> => {
    while (!signal.aborted) {
      const startedAt = performance.now();
      const tell = (outcome: 'done' | 'failed' | 'skipped'): void =>
        janitorRan.publish({ outcome, durationMs: performance.now() - startedAt });
      try {
        const summary = await cleanUp({ config, isDryRun, signal });
        say(summary, logger);
        tell(summary ? (summary.failures.length > 0 ? 'failed' : 'done') : 'skipped');
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error }, 'could not clean up; will try again');
        tell('failed');
      }
      await sleep(everyMs, signal);
    }
  };
  const running = repeat();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
};
