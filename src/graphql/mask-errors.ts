import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLErrorExtensions } from 'graphql';
import type { Logger } from 'pino';
import { isBrokerOutage } from '../broker/outage.ts';
import { isDatabaseOutage } from '../database/outage.ts';
import { type ErrorCode, TaskFlowError } from '../errors.ts';

interface Shown {
  message: string;
  extensions: GraphQLErrorExtensions & { code: ErrorCode };
}

/** HTTP status of a request that failed as a whole. What fails in a field stands in "errors" under status 200. */
const STATUS_OF_REQUEST: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  UNAVAILABLE: 503,
  PAYLOAD_TOO_LARGE: 413,
};
const OK = 200;
const TOO_LARGE = 413;

/**
 * Makes of whatever was thrown an error that a client may see: TaskFlow's own with their code, GraphQL's own as
 * BAD_USER_INPUT, outages as UNAVAILABLE, and all others as INTERNAL with an id, under which the log has the whole of it.
 *
 * @param maxRequestBytes the `limit` of a request that is too large
 */
export const createErrorMask =
  (logger: Logger, maxRequestBytes: number) =>
  (error: unknown): GraphQLError => {
    const located = error instanceof GraphQLError ? error : undefined;
    const { message, extensions } = show(causeOf(error), logger, maxRequestBytes);
    // Without a path it is the whole request that failed, and Yoga would answer 500 to what it does not know.
    const isOfField = located?.path !== undefined;
    if (!isOfField && extensions.http === undefined)
      extensions.http = { status: STATUS_OF_REQUEST[extensions.code] ?? OK };
    const { nodes, source, positions, path } = located ?? {};
    return new GraphQLError(message, {
      nodes: nodes ?? null,
      source: source ?? null,
      positions: positions ?? null,
      path: path ?? null,
      extensions,
    });
  };

/** GraphQL wraps what resolvers throw, sometimes more than once. */
const causeOf = (error: unknown): unknown =>
  error instanceof GraphQLError && error.originalError ? causeOf(error.originalError) : error;

const show = (error: unknown, logger: Logger, maxRequestBytes: number): Shown => {
  if (error instanceof TaskFlowError)
    return { message: error.message, extensions: { code: error.code, ...error.details } };
  if (error instanceof GraphQLError) return showGraphQLError(error, maxRequestBytes);
  if (isDatabaseOutage(error)) {
    logger.warn({ err: error }, 'PostgreSQL could not be reached for a request');
    return unavailable('The database cannot be reached now; try again later.');
  }
  if (isBrokerOutage(error)) {
    logger.warn({ err: error }, 'Redis could not be reached for a request');
    return unavailable('The broker cannot be reached now; try again later.');
  }
  const errorId = randomUUID();
  logger.error({ err: error, errorId }, 'a request met a fault');
  return { message: 'Internal error', extensions: { code: 'INTERNAL', errorId } };
};

const unavailable = (message: string): Shown => ({ message, extensions: { code: 'UNAVAILABLE' } });

/** Errors of GraphQL and of the HTTP layer: the request itself is not as it should be. */
const showGraphQLError = (error: GraphQLError, maxRequestBytes: number): Shown => {
  const http = error.extensions.http as { status?: number } | undefined;
  if (http?.status === TOO_LARGE) {
    const message = `The request has more than ${maxRequestBytes} bytes.`;
    return { message, extensions: { code: 'PAYLOAD_TOO_LARGE', limit: maxRequestBytes, http } };
  }
  const code = isErrorCode(error.extensions.code) ? error.extensions.code : 'BAD_USER_INPUT';
  if (error.path !== undefined) return { message: error.message, extensions: { code } };
  // As GraphQL over HTTP says: only clients that accept application/graphql-response+json get this status.
  return { message: error.message, extensions: { code, http: http ?? { status: 400, spec: true } } };
};

const isErrorCode = (code: unknown): code is ErrorCode =>
  code === 'BAD_USER_INPUT' || code === 'PAYLOAD_TOO_LARGE' || code === 'UNAUTHENTICATED';
