import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkServers } from '../../src/broker/check-servers.ts';
import type { GraphQLMetrics } from '../../src/metrics/graphql-metrics.ts';
import { createAddressReader } from '../../src/server/client-address.ts';
import { AllowedOrigins } from '../../src/server/cross-site.ts';
import { Drain } from '../../src/server/drain.ts';
import { createMask, type GraphQLServer } from '../../src/server/graphql-server.ts';
import { createRoutes } from '../../src/server/routes.ts';
import type { ApiApp } from './api.ts';
import { silent } from './factory.ts';

/** The HTTP front of an api, before an engine of the test's own. */
export const serveFront = async (
  { services, config }: ApiApp,
  yoga: GraphQLServer,
  metrics?: GraphQLMetrics,
): Promise<{ url: string; close: () => void }> => {
  const front = {
    yoga,
    services,
    persisted: undefined,
    drain: new Drain(() => checkServers(services), 0),
    maskError: createMask(services, config),
    metrics,
    readAddress: createAddressReader([], silent),
    origins: new AllowedOrigins([]),
  };
  const server = createServer(createRoutes(front, config)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/graphql`, close: () => void server.close() };
};
