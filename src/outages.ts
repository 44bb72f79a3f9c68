import { isNetworkError } from './network-errors.ts';
import { sqlState } from './sql-state.ts';

/** Prisma's codes for a database that cannot be reached, is full, or took too long to begin. */
const PRISMA_CODES = new Set(['P1001', 'P1002', 'P1008', 'P1011', 'P1017', 'P2024', 'P2028', 'P2037']);
/** SQLSTATEs: connection errors, out of resources, shutting down, and 57014, with which a statement's timeout ends it. */
const SQL_STATES = /^(08...|53...|57P..|57014|25P03)$/;
/** What the driver says in plain errors when a connection breaks, cannot be made, or a statement hangs. */
const DRIVER_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after)/;
/** Kinds of errors that the driver adapter gives for connections. */
const ADAPTER_KINDS = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
]);

/** Of ioredis, and ours for a shard that waits to be rebuilt. */
const BROKER_NAMES = new Set(['MaxRetriesPerRequestError', 'AbortError', 'BrokerNotReadyError']);
/** What ioredis says while a connection is away or a command takes too long, and Redis while it starts, fails over, moves keys or is full. */
const BROKER_MESSAGES =
  /^(Connection is closed|Stream isn't writeable|Command timed out|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MOVED |ASK |TRYAGAIN|UNBLOCKED|NOREPLICAS|OOM|MISCONF)/;

/**
 * Did this fail because PostgreSQL cannot be reached or does not answer in time, and not because of what was asked? Each
 * shape was seen by killing, stopping and pausing a real server; a test does it again.
 *
 * Prisma's errors are known by their names: workers, which log outages of Redis, do not load it.
 */
export const isDatabaseOutage = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  if (error.name === 'PrismaClientInitializationError') return true;
  if (SQL_STATES.test(sqlState(error) ?? '')) return true;
  if (error.name === 'PrismaClientKnownRequestError') {
    return PRISMA_CODES.has((error as { code?: string }).code ?? '') || ADAPTER_KINDS.has(adapterKind(error) ?? '');
  }
  return DRIVER_MESSAGES.test(error.message) || isNetworkError(error);
};

/** Did this fail because Redis cannot be reached, does not answer in time, or waits to be rebuilt? */
export const isBrokerOutage = (error: unknown): boolean =>
  error instanceof Error &&
  (BROKER_NAMES.has(error.name) || BROKER_MESSAGES.test(error.message) || isNetworkError(error));

/** Did this fail because PostgreSQL or Redis is away? */
export const isOutage = (error: unknown): boolean => isDatabaseOutage(error) || isBrokerOutage(error);

const adapterKind = (error: Error): string | undefined =>
  (error as { meta?: { driverAdapterError?: { cause?: { kind?: string } } } }).meta?.driverAdapterError?.cause?.kind;
