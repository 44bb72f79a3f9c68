import { type Logger, pino } from 'pino';

export type { Logger };

/**
 * A logger that writes JSON lines. `process` says which kind of process speaks.
 *
 * @param fd Default: 1, stdout
 */
export const createLogger = (level: string, processName: string, fd = 1): Logger =>
  pino(
    { level, base: { process: processName, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination(fd),
  );

/**
 * Reports errors of a connection that is retried over and over: the first, then one every ten seconds, so that an outage
 * does not fill the log.
 */
export const quietly = (logger: Logger, message: string): ((error: Error) => void) => {
  let quietUntil = 0;
  return (error) => {
    if (Date.now() < quietUntil) return;
    quietUntil = Date.now() + 10_000;
    logger.warn({ err: { message: error.message, code: (error as NodeJS.ErrnoException).code } }, message);
  };
};
