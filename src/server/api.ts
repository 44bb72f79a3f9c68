import { once } from 'node:events';
import { createServer, type Server, type ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkServers } from '../broker/check-servers.ts';
import type { Config } from '../config.ts';
import { listen } from '../http-server.ts';
import type { Logger } from '../logger.ts';
import type { Registry } from '../metrics/registry.ts';
import type { Readiness } from '../readiness.ts';
import { createAddressReader } from './client-address.ts';
import { AllowedOrigins } from './cross-site.ts';
import { Drain } from './drain.ts';
import { createGraphQLServer, createMask, GRAPHQL_PATH } from './graphql-server.ts';
import { PersistedOperations } from './persisted-operations.ts';
import { createRoutes } from './routes.ts';
import { openServices } from './services.ts';
import { serveSockets } from './websocket.ts';

export interface Api {
  port: number;
  /** "http://127.0.0.1:4000", without a path. */
  url: string;
  checkReadiness(): Promise<Readiness>;
  /** Goes on for SHUTDOWN_DRAIN_MS, then ends subscriptions, lets requests finish, and closes the connections to PostgreSQL and Redis. */
  close(): Promise<void>;
}

/** How long requests that are under way may take when the process stops, in ms. */
const CLOSE_TIMEOUT_MS = 10_000;
/** How often connections that became idle are closed meanwhile, in ms. */
const SWEEP_MS = 50;
/** How often connections are looked at for slow requests, at least, in ms. */
const CHECK_MS = 1_000;

/**
 * Starts an api process: GraphQL over HTTP, WebSocket and Server-Sent Events, and its health. It starts without waiting for
 * PostgreSQL and Redis; /readyz says when they are there.
 *
 * @param registry where it counts what it does. Default: nobody asks
 * @throws TaskFlowError CONFLICT when the port is in use, BAD_USER_INPUT for a bad file of persisted operations
 */
export const startApi = async (config: Config, logger: Logger, registry?: Registry): Promise<Api> => {
  const persisted = config.PERSISTED_OPERATIONS ? PersistedOperations.load(config.PERSISTED_OPERATIONS) : undefined;
  const services = openServices(config, logger);
  const measured = registry && (await import('./measure-api.ts')).measureApi(registry, services);
  const yoga = createGraphQLServer(services, config, persisted, measured?.graphql);
  const drain = new Drain(() => checkServers(services), config.SHUTDOWN_DRAIN_MS);
  const front = {
    yoga,
    services,
    drain,
    persisted,
    metrics: measured?.graphql,
    maskError: createMask(services, config),
    readAddress: createAddressReader(config.TRUSTED_PROXIES, logger),
    origins: new AllowedOrigins(config.CORS_ORIGINS),
  };
  const server = createServer(timeouts(config), createRoutes(front, config));
  const sockets = serveSockets(server, front, config);
  measured?.showSockets(() => sockets.size);
  const url = await listen(server, config.HOST, config.PORT, 'PORT').catch(async (error) => {
    await services.endSubscriptions();
    await services.close();
    throw error;
  });
  const { port } = server.address() as AddressInfo;
  logger.info({ url: `${url}${GRAPHQL_PATH}` }, 'the api listens');
  const close = async (): Promise<void> => {
    await drain.begin();
    const closed = closeServer(server);
    sockets.close();
    await services.endSubscriptions();
    await closed;
    await services.close();
  };
  return { port, url, checkReadiness: drain.checkReadiness, close };
};

/** A client that sends byte by byte holds its connection no longer than this. Answers may take as long as they like. */
const timeouts = ({ REQUEST_TIMEOUT_MS }: Config): ServerOptions => ({
  requestTimeout: REQUEST_TIMEOUT_MS,
  headersTimeout: Math.ceil(REQUEST_TIMEOUT_MS / 3),
  connectionsCheckingInterval: Math.min(REQUEST_TIMEOUT_MS, CHECK_MS),
});

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
