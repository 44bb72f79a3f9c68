import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Config } from '../config.ts';
import { answerJson } from '../http-server.ts';
import { givenRequestId, withRequestId } from '../request-id.ts';
import { getTracing } from '../tracing/tracing.ts';
import type { ReadAddress } from './client-address.ts';
import { type AllowedOrigins, FORGERY_MESSAGE, mayBeForged } from './cross-site.ts';
import { createDashboard } from './dashboard.ts';
import type { Drain } from './drain.ts';
import { GRAPHQL_PATH } from './graphql-server.ts';
import type { PersistedOperations } from './persisted-operations.ts';
import { type AnswerPlainPost, createPlainPosts, isPlainPost, type PlainFront } from './plain-post.ts';
import { setSecurityHeaders } from './security-headers.ts';
import type { RunningServices } from './services.ts';

/** What requests and sockets share. */
export interface Front extends PlainFront {
  services: RunningServices;
  drain: Drain;
  /** The only operations that run; undefined for any. */
  persisted: PersistedOperations | undefined;
  readAddress: ReadAddress;
  origins: AllowedOrigins;
}

/** With what is kept for requests only. */
type RequestFront = Front & { answerPlainPost: AnswerPlainPost };

/** What every request passes, whoever answers it in the end. */
export const createRoutes = (parts: Front, config: Config): RequestListener => {
  const front = { ...parts, answerPlainPost: createPlainPosts(parts) };
  const serveDashboard = createDashboard();
  return (request, response) => {
    setSecurityHeaders(response);
    front.drain.mark(response);
    const path = request.url?.split('?')[0];
    if (path === GRAPHQL_PATH) nameRequest(request, response, () => answerGraphQL(front, config, request, response));
    else if (path === '/healthz') answerJson(response, 200, { isAlive: true });
    else if (path === '/readyz') void answerReadiness(front.drain, response);
    else serveDashboard(request, response, () => answerNothing(path, response));
  };
};

/** Lines of the log name the request, by the id that a proxy or the client gave it, which is answered as well. */
const nameRequest = ({ headers }: IncomingMessage, response: ServerResponse, answer: () => void): void => {
  const id = givenRequestId(headers[REQUEST_ID]);
  if (id !== undefined) response.setHeader(REQUEST_ID, id);
  withRequestId(id, answer);
};

const REQUEST_ID = 'x-request-id';

const answerNothing = (path: string | undefined, response: ServerResponse): void =>
  answerJson(response, 404, { error: `There is nothing at ${path}; GraphQL is at ${GRAPHQL_PATH}.` });

const answerReadiness = async (drain: Drain, response: ServerResponse): Promise<void> => {
  const readiness = await drain.checkReadiness();
  answerJson(response, readiness.isReady ? 200 : 503, readiness);
};

const answerGraphQL = (
  front: RequestFront,
  config: Config,
  request: IncomingMessage,
  response: ServerResponse,
): void => {
  front.origins.allow(request, response);
  if (request.method === 'OPTIONS') front.origins.answerPreflight(request, response);
  else if (!config.GRAPHIQL && asksForPage(request)) answerJson(response, 404, { error: NO_GRAPHIQL });
  else if (!asksForPage(request) && mayBeForged(request)) refuse(response, FORGERY_MESSAGE);
  else traceOperation(front, config, request, response);
};

/** Within a span, where traces are collected. */
const traceOperation = (
  front: RequestFront,
  config: Config,
  request: IncomingMessage,
  response: ServerResponse,
): void => {
  const answer = (): void => answerOperation(front, config, request, response);
  const tracing = getTracing();
  if (tracing) tracing.serve(request, response, GRAPHQL_PATH, answer);
  else answer();
};

const NO_GRAPHIQL = 'GraphiQL is off here. GRAPHIQL=true and INTROSPECTION=true turn it on.';

const asksForPage = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && (headers.accept?.includes('text/html') ?? false);

const answerOperation = (
  front: RequestFront,
  config: Config,
  request: IncomingMessage,
  response: ServerResponse,
): void => {
  const address = front.readAddress(request);
  if (!front.persisted && isPlainPost(request, config.MAX_REQUEST_BYTES)) {
    front.answerPlainPost(request, response, address).catch((error: unknown) => {
      // A client that goes away in the middle of its request is no fault.
      if (!request.destroyed || request.complete)
        front.services.logger.error({ err: error }, 'a request could not be answered');
      response.destroy();
    });
  } else {
    void front.yoga(request, response, { address, userAgent: request.headers['user-agent'] });
  }
};

const refuse = (response: ServerResponse, message: string): void => {
  answerJson(response, 400, { errors: [{ message, extensions: { code: 'BAD_USER_INPUT' } }] });
};
