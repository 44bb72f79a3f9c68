import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config.ts';
import { TaskFlowError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { createGraphQLServer, GRAPHQL_PATH, type GraphQLServer } from './graphql-server.ts';
import { answerJson, checkReadiness } from './health.ts';
import { answerPlainPost, isPlainPost } from './plain-post.ts';
import { openServices, type RunningServices } from './services.ts';
import { serveSockets } from './websocket.ts';

export interface Api {
  port: number;
  /** "http://127.0.0.1:4000", without a path. */
  url: string;
  /** Ends subscriptions, lets requests finish, then closes the connections to PostgreSQL and Redis. */
  close(): Promise<void>;
}

/** How long requests that are under way may take when the process stops, in ms. */
const CLOSE_TIMEOUT_MS = 10_000;
/** How often connections that became idle are closed meanwhile, in ms. */
const SWEEP_MS = 50;

/**
 * Starts an api process: GraphQL over HTTP, WebSocket and Server-Sent Events, and its health. It starts without waiting for
 * PostgreSQL and Redis; /readyz says when they are there.
 *
 * @throws TaskFlowError CONFLICT when the port is in use
 */
export const startApi = async (config: Config, logger: Logger): Promise<Api> => {
  const services = openServices(config, logger);
  const yoga = createGraphQLServer(services, config);
  const server = createServer(route(yoga, services, config.MAX_REQUEST_BYTES));
  const sockets = serveSockets(server, yoga, services, config.MAX_REQUEST_BYTES);
  try {
    await listen(server, config);
  } catch (error) {
    await services.endSubscriptions();
    await services.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  const url = `http://${hostOf(config.HOST)}:${port}`;
  logger.info({ url: `${url}${GRAPHQL_PATH}` }, 'the api listens');
  const close = async (): Promise<void> => {
    const closed = closeServer(server);
    sockets.close();
    await services.endSubscriptions();
    await closed;
    await services.close();
  };
  return { port, url, close };
};

const route =
  (yoga: GraphQLServer, services: RunningServices, maxRequestBytes: number) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url?.split('?')[0];
    if (isPlainPost(request, maxRequestBytes)) {
      answerPlainPost(yoga, request, response).catch((error: unknown) => {
        // A client that goes away in the middle of its request is no fault.
        if (!request.destroyed || request.complete)
          services.logger.error({ err: error }, 'a request could not be answered');
        response.destroy();
      });
    } else if (path === GRAPHQL_PATH) {
      void yoga(request, response);
    } else if (path === '/healthz') {
      answerJson(response, 200, { isAlive: true });
    } else if (path === '/readyz') {
      void checkReadiness(services).then((readiness) => answerJson(response, readiness.isReady ? 200 : 503, readiness));
    } else {
      answerJson(response, 404, { error: `There is nothing at ${path}; GraphQL is at ${GRAPHQL_PATH}.` });
    }
  };

const listen = async (server: Server, { HOST, PORT }: Config): Promise<void> => {
  server.listen(PORT, HOST);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE') throw error;
    throw new TaskFlowError('CONFLICT', `Port ${PORT} is in use; set PORT to another one.`, {}, { cause: error });
  }
};

/** Stops listening, and waits for requests that are under way. */
const closeServer = async (server: Server): Promise<void> => {
  const closed = once(server, 'close');
  server.close();
  // A connection whose request has ended stays open for a next one, which will not be answered.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(timer);
};

/** An address that can be opened: "every interface" cannot. */
const hostOf = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
};
