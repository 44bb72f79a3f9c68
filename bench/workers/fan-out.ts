import { createServer } from 'node:http';
import { RedisPubSub } from 'graphql-redis-subscriptions';
import { useServer } from 'graphql-ws/use/ws';
import { createSchema } from 'graphql-yoga';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { WebSocketServer } from 'ws';
import { loadConfig } from '../../src/config.ts';
import { startApi } from '../../src/server/api.ts';

/**
 * A server for subscribers, in a process of its own so that its memory can be told: FRONT=taskflow is the api, FRONT=default is
 * graphql-ws with graphql-redis-subscriptions, a channel a task. At SIGUSR2 it prints what its heap holds.
 */
process.on('SIGUSR2', () => {
  globalThis.gc?.();
  process.stdout.write(`heap ${process.memoryUsage().heapUsed}\n`);
});

const serveDefault = (port: number): Promise<void> => {
  const connect = () => new Redis({ port: Number(process.env.REDIS_PORT_HIGH), enableReadyCheck: false });
  const pubsub = new RedisPubSub({ publisher: connect(), subscriber: connect() });
  const schema = createSchema({
    typeDefs: /* GraphQL */ `
      type Query { ok: Boolean }
      type Task { id: ID!, status: String!, attempt: Int! }
      type Subscription { taskUpdated(id: ID!): Task! }
    `,
    resolvers: {
      Subscription: {
        taskUpdated: {
          subscribe: (_root: unknown, { id }: { id: string }) => pubsub.asyncIterableIterator(`task:${id}`),
          resolve: (task: unknown) => task,
        },
      },
    },
  });
  const server = createServer();
  useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
  return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
};

const port = Number(process.env.PORT);
if (process.env.FRONT === 'taskflow')
  await startApi(loadConfig(['database', 'secret'], process.env), pino({ level: 'error' }));
else await serveDefault(port);
process.stdout.write('ready\n');
