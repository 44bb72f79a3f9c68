import { isNetworkError } from '../network-errors.ts';
import { Prisma, sqlState } from './client.ts';

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

/**
 * Did this fail because PostgreSQL cannot be reached or does not answer in time, and not because of what was asked? Each
 * shape was seen by killing, stopping and pausing a real server; a test does it again.
 */
export const isDatabaseOutage = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  if (error instanceof Prisma.PrismaClientInitializationError) return true;
  if (SQL_STATES.test(sqlState(error) ?? '')) return true;
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    return PRISMA_CODES.has(error.code) || ADAPTER_KINDS.has(adapterKind(error) ?? '');
  }
  return DRIVER_MESSAGES.test(error.message) || isNetworkError(error);
};

const adapterKind = (error: Prisma.PrismaClientKnownRequestError): string | undefined =>
  (error.meta as { driverAdapterError?: { cause?: { kind?: string } } } | undefined)?.driverAdapterError?.cause?.kind;

/** Did a statement break a unique constraint? */
export const isUniqueViolation = (error: unknown): boolean =>
  sqlState(error) === '23505' || (error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002');
