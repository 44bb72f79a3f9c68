import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLErrorExtensions } from 'graphql';
import { type ErrorCode, type ErrorDetails, TaskFlowError } from '../errors.ts';
import { type Logger, quietly } from '../logger.ts';
import { isBrokerOutage, isDatabaseOutage } from '../outages.ts';

interface Shown {
  message: string;
  extensions: GraphQLErrorExtensions & { code: ErrorCode };
}

/** HTTP status of a request that failed as a whole. What fails in a field stands in "errors" under status 200. */
const STATUS_OF_REQUEST: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  UNAVAILABLE: 503,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
};
const OK = 200;
const TOO_LARGE = 413;
/** What graphql thinks that the client meant: names that the schema has. */
const SUGGESTION = / ?Did you mean .*\?$/s;

export interface MaskOptions {
  /** The `limit` of a request that is too large. */
  maxRequestBytes: number;
  /** Keeps names of the schema out of messages. */
  hidesSuggestions: boolean;
}

/** What is for the HTTP layer in an error's extensions; no client sees it. */
export interface HttpExtension {
  status?: number;
  headers?: Record<string, string>;
  /** The status is only meant for clients that accept application/graphql-response+json. */
  spec?: boolean;
}

/**
 * Makes of whatever was thrown an error that a client may see: TaskFlow's own with their code, GraphQL's own as
 * BAD_USER_INPUT, outages as UNAVAILABLE, and all others as INTERNAL with an id, under which the log has the whole of it.
 */
export const createErrorMask = (logger: Logger, options: MaskOptions): ((error: unknown) => GraphQLError) => {
  const show = createShow(logger, options);
  return (error) => {
    const located = error instanceof GraphQLError ? error : undefined;
    const { message, extensions } = show(causeOf(error));
    // Without a path it is the whole request that failed, and Yoga would answer 500 to what it does not know.
    const isOfField = located?.path !== undefined;
    if (!isOfField && extensions.http === undefined)
      extensions.http = { status: STATUS_OF_REQUEST[extensions.code] ?? OK };
    if (extensions.code === 'RATE_LIMITED')
      extensions.http = { ...(extensions.http as object), ...retryHeaders(extensions as ErrorDetails) };
    const { nodes, source, positions, path } = located ?? {};
    return new GraphQLError(message, {
      nodes: nodes ?? null,
      source: source ?? null,
      positions: positions ?? null,
      path: path ?? null,
      extensions,
    });
  };
};

/** GraphQL wraps what resolvers throw, sometimes more than once. */
const causeOf = (error: unknown): unknown =>
  error instanceof GraphQLError && error.originalError ? causeOf(error.originalError) : error;

const createShow = (logger: Logger, options: MaskOptions): ((error: unknown) => Shown) => {
  // In an outage every request meets it.
  const reportDatabaseOutage = quietly(logger, 'PostgreSQL cannot be reached for requests');
  const reportBrokerOutage = quietly(logger, 'Redis cannot be reached for requests');
  return (error) => {
    if (error instanceof TaskFlowError)
      return { message: error.message, extensions: { code: error.code, ...error.details } };
    if (error instanceof GraphQLError) return showGraphQLError(error, options);
    if (isDatabaseOutage(error)) {
      reportDatabaseOutage(error as Error);
      return unavailable('The database cannot be reached now; try again later.');
    }
    if (isBrokerOutage(error)) {
      reportBrokerOutage(error as Error);
      return unavailable('The broker cannot be reached now; try again later.');
    }
    const errorId = randomUUID();
    logger.error({ err: error, errorId }, 'a request met a fault');
    return { message: 'Internal error', extensions: { code: 'INTERNAL', errorId } };
  };
};

/** For HTTP, where clients look for them; the same is in the extensions. */
const retryHeaders = ({ limit, retryAfter }: ErrorDetails): HttpExtension => {
  if (retryAfter === undefined) return {};
  const seconds = String(retryAfter);
  if (limit === undefined) return { headers: { 'retry-after': seconds } };
  return {
    headers: {
      'retry-after': seconds,
      'ratelimit-limit': String(limit),
      'ratelimit-remaining': '0',
      'ratelimit-reset': seconds,
    },
  };
};

const unavailable = (message: string): Shown => ({ message, extensions: { code: 'UNAVAILABLE' } });

/** Errors of GraphQL and of the HTTP layer: the request itself is not as it should be. */
const showGraphQLError = (error: GraphQLError, { maxRequestBytes, hidesSuggestions }: MaskOptions): Shown => {
  const http = error.extensions.http as HttpExtension | undefined;
  if (http?.status === TOO_LARGE) {
    const message = `The request has more than ${maxRequestBytes} bytes.`;
    return { message, extensions: { code: 'PAYLOAD_TOO_LARGE', limit: maxRequestBytes, http } };
  }
  const code = isErrorCode(error.extensions.code) ? error.extensions.code : 'BAD_USER_INPUT';
  const message = hidesSuggestions ? error.message.replace(SUGGESTION, '') : error.message;
  if (error.path !== undefined) return { message, extensions: { code } };
  // As GraphQL over HTTP says: only clients that accept application/graphql-response+json get this status.
  return { message, extensions: { code, http: http ?? { status: 400, spec: true } } };
};

const isErrorCode = (code: unknown): code is ErrorCode =>
  code === 'BAD_USER_INPUT' || code === 'PAYLOAD_TOO_LARGE' || code === 'UNAUTHENTICATED';
