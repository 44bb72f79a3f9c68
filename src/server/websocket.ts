import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type DocumentNode,
  type ExecutionResult,
  type GraphQLError,
  getOperationAST,
  OperationTypeNode,
} from 'graphql';
import { CloseCode, handleProtocols, makeServer, type Context as SocketState, type SubscribePayload } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { RequestKind } from '../accounts/rate-limits.ts';
import type { Config } from '../config.ts';
import { TaskFlowError } from '../errors.ts';
import { withRequestId } from '../request-id.ts';
import { admit, identify } from './admission.ts';
import { beginCompiled, type SubscriptionParts } from './begin-subscription.ts';
import { credentialsOfParams } from './credentials.ts';
import { GRAPHQL_PATH, type GraphQLServer } from './graphql-server.ts';
import { toAnswer, withoutHttp } from './http-extension.ts';
import { codeOf } from './measure-operations.ts';
import type { Front } from './routes.ts';
import { WaitingSockets } from './waiting-sockets.ts';

/** A client that does not read: this many bytes may wait in its socket before it is cut off. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
/** With so many bytes waiting in a socket, its subscriptions wait until they are gone. */
const BUSY_BYTES = 64 * 1024;
/** How long a socket may take to say who it is, in ms. */
const INIT_TIMEOUT_MS = 10_000;
/** How often a socket is asked whether it lives, in ms; one that has not answered by the next time is dropped. */
const PING_INTERVAL_MS = 12_000;

/** Close codes beside those of the protocol; docs/errors.md lists them. */
export const CLOSE_CODES = { SLOW_CONSUMER: 4413, RESTARTING: 1012, TRY_AGAIN_LATER: 1013 } as const;

interface Extra {
  socket: WebSocket;
  /** The client's. */
  address: string;
}
type State = SocketState<Record<string, unknown>, Extra>;

export interface SocketServer {
  /** How many are open. */
  readonly size: number;
  /** Closes all sockets with "service restart": clients come back by themselves. */
  close(): void;
}

type SocketFront = Front & SubscriptionParts;

/** Serves GraphQL over WebSocket (graphql-transport-ws) on the sockets of an HTTP server. */
export const serveSockets = (http: Server, front: SocketFront, config: Config): SocketServer => {
  // Without compression: it costs 300 kB a socket, and a small message that unpacks to a large one is an attack.
  const options = { noServer: true, maxPayload: config.MAX_REQUEST_BYTES, perMessageDeflate: false, handleProtocols };
  const server = new WebSocketServer(options);
  const waiting = new WaitingSockets(config.MAX_WAITING_SOCKETS);
  const protocol = makeProtocol(front, waiting, config.MAX_SUBSCRIPTIONS_PER_SOCKET);
  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const refusal = refusalOf(request, front, server.clients.size >= config.MAX_SOCKETS);
    if (refusal) return void stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`);
    const address = front.readAddress(request);
    server.handleUpgrade(request, stream, head, (socket) => {
      waiting.add(socket);
      openSocket({ socket, address }, protocol, front);
    });
  });
  return {
    get size() {
      return server.clients.size;
    },
    close: () => {
      for (const socket of server.clients) socket.close(CLOSE_CODES.RESTARTING, 'Service restart');
      server.close();
    },
  };
};

/** @returns the status of a request for a socket that is not let in */
const refusalOf = (request: IncomingMessage, { origins }: Front, isFull: boolean): string | undefined => {
  if (request.url?.split('?')[0] !== GRAPHQL_PATH) return '404 Not Found';
  if (!origins.maySocket(request)) return '403 Forbidden';
  return isFull ? '503 Service Unavailable' : undefined;
};

type Protocol = ReturnType<typeof makeProtocol>;

const makeProtocol = (front: SocketFront, waiting: WaitingSockets, maxSubscriptions: number) =>
  makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    onConnect: async (state) => {
      waiting.delete(state.extra.socket);
      await letIn(state, front);
    },
    // What was prepared does the rest; it hangs on the operation it belongs to.
    execute: (args) => (args.rootValue as Prepared).execute(args),
    subscribe: (args) => (args.rootValue as Prepared).subscribe(args),
    onSubscribe: async (state, id, payload) => {
      const refused = (errors: readonly GraphQLError[]): readonly GraphQLError[] => {
        front.metrics?.refused(codeOf({ errors }));
        return errors;
      };
      try {
        // This one is among them already.
        if (Object.keys(state.subscriptions).length > maxSubscriptions) throw tooMany(maxSubscriptions);
        const prepared = await prepare(front, state, id, payload);
        return 'schema' in prepared ? prepared : refused(prepared);
      } catch (error) {
        return refused([front.maskError(error)]);
      }
    },
    onNext: (_state, _id, _payload, _args, result) => toAnswer(result as ExecutionResult),
    onError: (_state, _id, _payload, errors) => errors.map(withoutHttp),
  });

type Engine = ReturnType<GraphQLServer['getEnveloped']>;
type Prepared = Pick<Engine, 'execute' | 'subscribe'>;

/** @returns what graphql-ws executes, or the errors of the document */
const prepare = async (
  front: SocketFront,
  { connectionParams, extra }: State,
  id: string,
  payload: SubscribePayload,
) => {
  const { yoga, services, persisted } = front;
  const { address, socket } = extra;
  const credentials = credentialsOfParams(connectionParams);
  // Yoga's, with its caches and plugins. Whose it is comes with the context, below.
  const engine = yoga.getEnveloped({ credentials, address });
  const parsed = attempt(() => engine.parse(persisted ? persisted.documentOf(payload) : payload.query) as DocumentNode);
  const admitted = await admit(services, credentials, address, kindOf(parsed.value, payload.operationName));
  if (!parsed.value) throw parsed.error;
  const document = parsed.value;
  const errors: readonly GraphQLError[] = engine.validate(engine.schema, document);
  if (errors.length > 0) return errors;
  const { operationName, variables: variableValues } = payload;
  const args = { schema: engine.schema, document, operationName, variableValues };
  const rootValue: Prepared = {
    execute: engine.execute,
    subscribe: async (prepared) => {
      const contextual = { ...args, contextValue: prepared.contextValue };
      const results =
        (await beginCompiled(front, contextual, (text) => sendResult(socket, id, text))) ?? engine.subscribe(prepared);
      // graphql-ws holds its arguments as long as the subscription runs.
      prepared.rootValue = undefined;
      prepared.contextValue = undefined;
      return results;
    },
  };
  return { ...args, contextValue: await engine.contextFactory({ admitted }), rootValue };
};

const attempt = <T>(work: () => T): { value: T; error?: never } | { value?: never; error: unknown } => {
  try {
    return { value: work() };
  } catch (error) {
    return { error };
  }
};

/** What cannot be read, or does not say which of its operations is meant, counts as a request. */
const kindOf = (document: DocumentNode | undefined, operationName: string | null | undefined): RequestKind => {
  const operation = document && getOperationAST(document, operationName);
  return operation && operation.operation !== OperationTypeNode.MUTATION ? 'socket read' : 'request';
};

const tooMany = (limit: number): TaskFlowError =>
  new TaskFlowError('RATE_LIMITED', `At most ${limit} operations run on a socket at once; end one first.`, { limit });

/** Sockets without credentials are let in: fields say what they need. Others are closed when their credentials end. */
const letIn = async ({ connectionParams, extra: { socket, address } }: State, { services }: Front): Promise<void> => {
  try {
    const principal = await identify(services, credentialsOfParams(connectionParams), address);
    if (!principal || socket.readyState !== socket.OPEN) return;
    const leave = services.sessions.add(principal, ({ message }) => socket.close(CloseCode.Unauthorized, message));
    socket.once('close', leave);
  } catch (error) {
    if (error instanceof TaskFlowError) {
      const code = error.code === 'RATE_LIMITED' ? CLOSE_CODES.TRY_AGAIN_LATER : CloseCode.Unauthorized;
      socket.close(code, error.message);
    } else {
      services.logger.warn({ err: error }, 'could not authenticate a socket');
      socket.close(CLOSE_CODES.TRY_AGAIN_LATER, 'Try again later');
    }
  }
};

const openSocket = (extra: Extra, protocol: Protocol, { services: { logger } }: Front): void => {
  const { socket } = extra;
  const stopPinging = keepAlive(socket);
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (message) => send(socket, message),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) => {
        socket.on('message', (message) => {
          withRequestId(undefined, () => handle(String(message))).catch((error: unknown) => {
            logger.error({ err: error }, 'a socket met a fault');
            socket.close(CloseCode.InternalServerError, 'Internal error');
          });
        });
      },
    },
    extra,
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

/** A result as graphql-ws would send it. @returns when there is room for the next one; undefined for at once */
const sendResult = (socket: WebSocket, id: string, text: string): Promise<void> | undefined => {
  const message = `{"id":${JSON.stringify(id)},"type":"next","payload":${text}}`;
  if (socket.bufferedAmount > BUSY_BYTES) return send(socket, message);
  if (socket.readyState === socket.OPEN) socket.send(message);
  return undefined;
};

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
