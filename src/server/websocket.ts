import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLError } from 'graphql';
import { CloseCode, handleProtocols, makeServer, type Context as SocketState } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { TaskFlowError } from '../errors.ts';
import type { Services } from '../graphql/context.ts';
import { createErrorMask } from '../graphql/mask-errors.ts';
import { credentialsOfParams } from './credentials.ts';
import { GRAPHQL_PATH, type GraphQLServer } from './graphql-server.ts';

/** A client that does not read: this many bytes may wait in its socket before it is cut off. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
/** How long a socket may take to say who it is, in ms. */
const INIT_TIMEOUT_MS = 10_000;
/** How often a socket is asked whether it lives, in ms; one that has not answered by the next time is dropped. */
const PING_INTERVAL_MS = 12_000;

/** Close codes beside those of the protocol; docs/errors.md lists them. */
export const CLOSE_CODES = { SLOW_CONSUMER: 4413, RESTARTING: 1012, TRY_AGAIN_LATER: 1013 } as const;

interface Extra {
  socket: WebSocket;
}
type State = SocketState<Record<string, unknown>, Extra>;

export interface SocketServer {
  /** Closes all sockets with "service restart": clients come back by themselves. */
  close(): void;
}

/** Serves GraphQL over WebSocket (graphql-transport-ws) on the sockets of an HTTP server. */
export const serveSockets = (
  http: Server,
  yoga: GraphQLServer,
  services: Services,
  maxMessageBytes: number,
): SocketServer => {
  const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, handleProtocols });
  const protocol = makeProtocol(yoga, services, maxMessageBytes);
  server.on('connection', (socket: WebSocket) => openSocket(socket, protocol, services));
  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const path = request.url?.split('?')[0];
    if (path === GRAPHQL_PATH)
      server.handleUpgrade(request, stream, head, (socket) => server.emit('connection', socket, request));
    else stream.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
  });
  return {
    close: () => {
      for (const socket of server.clients) socket.close(CLOSE_CODES.RESTARTING, 'Service restart');
      server.close();
    },
  };
};

type Protocol = ReturnType<typeof makeProtocol>;

const makeProtocol = (yoga: GraphQLServer, services: Services, maxMessageBytes: number) => {
  const maskError = createErrorMask(services.logger, maxMessageBytes);
  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    onConnect: (state) => admit(state, services),
    // Yoga's engine, with its caches and plugins, does the rest; it hangs on the operation it belongs to.
    execute: (args) => (args.rootValue as Engine).execute(args),
    subscribe: (args) => (args.rootValue as Engine).subscribe(args),
    onSubscribe: async (state, _id, { query, operationName, variables }) => {
      const credentials = credentialsOfParams(state.connectionParams);
      const engine = yoga.getEnveloped({ credentials });
      try {
        const document = engine.parse(query);
        const errors = engine.validate(engine.schema, document);
        if (errors.length > 0) return errors as GraphQLError[];
        const contextValue = await engine.contextFactory();
        return {
          schema: engine.schema,
          document,
          operationName,
          variableValues: variables,
          contextValue,
          rootValue: engine,
        };
      } catch (error) {
        return [maskError(error)];
      }
    },
  });
};

type Engine = ReturnType<GraphQLServer['getEnveloped']>;

/** Sockets without credentials are let in: fields say what they need. */
const admit = async (
  { connectionParams, extra: { socket } }: State,
  { authenticator, logger }: Services,
): Promise<void> => {
  try {
    await authenticator.authenticate(credentialsOfParams(connectionParams));
  } catch (error) {
    if (error instanceof TaskFlowError) {
      socket.close(CloseCode.Unauthorized, error.message);
    } else {
      logger.warn({ err: error }, 'could not authenticate a socket');
      socket.close(CLOSE_CODES.TRY_AGAIN_LATER, 'Try again later');
    }
  }
};

const openSocket = (socket: WebSocket, protocol: Protocol, { logger }: Services): void => {
  const stopPinging = keepAlive(socket);
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (message) => send(socket, message),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) => {
        socket.on('message', (message) => {
          handle(String(message)).catch((error: unknown) => {
            logger.error({ err: error }, 'a socket met a fault');
            socket.close(CloseCode.InternalServerError, 'Internal error');
          });
        });
      },
    },
    { socket },
  );
  socket.on('error', (error) => logger.debug({ err: error }, 'a socket broke'));
  socket.once('close', (code, reason) => {
    stopPinging();
    closed(code, String(reason)).catch((error: unknown) =>
      logger.error({ err: error }, 'a socket could not be cleaned up'),
    );
  });
};

/** Settles when the system took the message over: a subscription that waits for it goes at the pace of its client. */
const send = (socket: WebSocket, message: string): Promise<void> =>
  new Promise((resolve, reject) => {
    if (socket.readyState !== socket.OPEN) return resolve();
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      socket.close(CLOSE_CODES.SLOW_CONSUMER, 'Slow consumer');
      return resolve();
    }
    // A socket that breaks while it sends is closed anyway.
    socket.send(message, (error) => (error && socket.readyState === socket.OPEN ? reject(error) : resolve()));
  });

const keepAlive = (socket: WebSocket): (() => void) => {
  let isAlive = true;
  socket.on('pong', () => {
    isAlive = true;
  });
  const timer = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_INTERVAL_MS).unref();
  return () => clearInterval(timer);
};
