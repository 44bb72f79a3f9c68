import { createServer } from 'node:http';
import { Queue } from 'bullmq';
import { createSchema, createYoga } from 'graphql-yoga';
import { pino } from 'pino';
import { checkServers } from '../../src/broker/check-servers.ts';
import { loadConfig } from '../../src/config.ts';
import { createAddressReader } from '../../src/server/client-address.ts';
import { AllowedOrigins } from '../../src/server/cross-site.ts';
import { Drain } from '../../src/server/drain.ts';
import { createGraphQLServer, createMask } from '../../src/server/graphql-server.ts';
import { createRoutes } from '../../src/server/routes.ts';
import { openServices } from '../../src/server/services.ts';

/** GraphQL with BullMQ behind it: FRONT=yoga as Yoga is set up by default, FRONT=taskflow as TaskFlow's api is. */
const queue = new Queue(process.env.QUEUE ?? '', {
  connection: { port: Number(process.env.REDIS_PORT_HIGH), maxRetriesPerRequest: null },
  defaultJobOptions: { removeOnComplete: true },
});
await queue.waitUntilReady();

const openYoga = () =>
  createYoga({
    logging: false,
    schema: createSchema({
      typeDefs: /* GraphQL */ `
        scalar JSON
        type Query { ok: Boolean }
        type Task { id: ID! }
        input CreateTaskInput { type: String!, payload: JSON }
        type Mutation { createTask(input: CreateTaskInput!): Task! }
      `,
      resolvers: {
        Mutation: {
          createTask: (_root: unknown, { input }: { input: { type: string; payload: object } }) =>
            queue.add(input.type, input.payload),
        },
      },
    }),
  });

/** Everything but the store: who is asking, limits, validation. */
const openFront = () => {
  const logger = pino({ level: 'error' });
  const config = loadConfig(['database', 'secret'], process.env);
  const services = openServices(config, logger);
  services.taskWriter.write = async (tasks) => {
    await Promise.all(tasks.map(({ id, type, payload }) => queue.add(type, JSON.parse(payload), { jobId: id })));
    return new Date();
  };
  const front = {
    yoga: createGraphQLServer(services, config),
    services,
    persisted: undefined,
    drain: new Drain(() => checkServers(services), 0),
    maskError: createMask(services, config),
    readAddress: createAddressReader(config.TRUSTED_PROXIES, logger),
    origins: new AllowedOrigins(config.CORS_ORIGINS),
  };
  return createRoutes(front, config);
};

const listener = process.env.FRONT === 'taskflow' ? openFront() : openYoga();
createServer(listener).listen(Number(process.env.PORT), '127.0.0.1', () => process.stdout.write('ready\n'));
