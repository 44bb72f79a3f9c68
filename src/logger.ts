import { type Logger, type LoggerOptions, pino } from 'pino';
import { describeError, messageOf } from './log-errors.ts';
import { isOutage } from './outages.ts';
import { currentRequestId } from './request-id.ts';

export type { Logger };

/** For every logger: errors are written without what drivers hang on them. */
export const SERIALIZERS = { err: describeError } as const;

let readTraceId: (() => string | undefined) | undefined;

/** From now on, lines name the trace that they belong to. */
export const logTraces = (read: () => string | undefined): void => {
  readTraceId = read;
};

/** What stands in a line beside what it says: the request that is answered, and its trace. */
const mixin = (): object => {
  const requestId = currentRequestId();
  const traceId = readTraceId?.();
  return { ...(requestId && { requestId }), ...(traceId && { trace_id: traceId }) };
};

/**
 * A logger that writes JSON lines. `process` says which kind of process speaks.
 *
 * @param fd Default: 1, stdout
 */
export const createLogger = (level: string, processName: string, fd = 1): Logger => {
  const options: LoggerOptions = {
    level,
    base: { process: processName, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: SERIALIZERS,
    mixin,
  };
  return pino(options, pino.destination(fd));
};

/**
 * Reports errors of a connection that is retried over and over: the first, then one every ten seconds, so that an outage
 * does not fill the log.
 */
export const quietly = (logger: Logger, message: string): ((error: Error) => void) => {
  let quietUntil = 0;
  return (error) => {
    if (Date.now() < quietUntil) return;
    quietUntil = Date.now() + 10_000;
    const { code } = error as NodeJS.ErrnoException;
    logger.warn({ reason: messageOf(error), code }, message);
  };
};

/**
 * Reports failures of work that is done over and over: outages of PostgreSQL and Redis quietly, everything else each time,
 * as a fault of ours.
 *
 * @param says what the lines say
 */
export const reportFailures = (logger: Logger, says: { outage: string; fault: string }): ((error: unknown) => void) => {
  const reportOutage = quietly(logger, says.outage);
  return (error) => {
    if (isOutage(error)) reportOutage(error as Error);
    else logger.error({ err: error }, says.fault);
  };
};
