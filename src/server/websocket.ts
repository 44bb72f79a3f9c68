import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, handleProtocols } from 'graphql-ws';
import { WebSocket, WebSocketServer } from 'ws';
import type { Config } from '../config.ts';
import { CompiledResults } from '../graphql/compiled-results.ts';
import { schema } from '../graphql/schema.ts';
import { reportFailures } from '../logger.ts';
import { withRequestId } from '../request-id.ts';
import { GRAPHQL_PATH } from './graphql-server.ts';
import { OpenSockets } from './open-sockets.ts';
import { makeOtherProtocol } from './other-operations.ts';
import type { SocketClient } from './prepare-operation.ts';
import type { Front } from './routes.ts';
import { CLOSE_CODES, type SocketHost, SocketSession } from './socket-session.ts';
import { WaitingSockets } from './waiting-sockets.ts';

export interface SocketServer {
  /** How many are open. */
  readonly size: number;
  /** Closes all sockets with "service restart": clients come back by themselves. */
  close(): void;
}

/** A socket that knows its session: listeners are the same functions for all sockets, and find it here. */
class ApiSocket extends WebSocket {
  session: SocketSession | undefined;
}

/** Serves GraphQL over WebSocket (graphql-transport-ws) on the sockets of an HTTP server. */
export const serveSockets = (http: Server, front: Front, config: Config): SocketServer => {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: config.MAX_REQUEST_BYTES,
    // It costs 300 kB a socket, and a small message that unpacks to a large one is an attack.
    perMessageDeflate: false,
    handleProtocols,
    clientTracking: false,
    WebSocket: ApiSocket,
  });
  const host: SocketHost = {
    front,
    compiled: new CompiledResults(schema),
    others: makeOtherProtocol(),
    sockets: new OpenSockets(),
    waiting: new WaitingSockets(config.MAX_WAITING_SOCKETS),
    maxSubscriptions: config.MAX_SUBSCRIPTIONS_PER_SOCKET,
    reportFailure: reportFailures(front.services.logger, {
      outage: 'PostgreSQL cannot be reached; sockets with credentials are sent away',
      fault: 'could not authenticate a socket',
    }),
  };
  const { sockets } = host;
  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const refusal = refusalOf(request, front, sockets.size >= config.MAX_SOCKETS);
    if (refusal) return void stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`);
    const client = { address: front.readAddress(request), userAgent: request.headers['user-agent'] };
    server.handleUpgrade(request, stream, head, (socket) => open(socket as ApiSocket, host, client));
  });
  return {
    get size() {
      return sockets.size;
    },
    close: () => {
      sockets.close(CLOSE_CODES.RESTARTING, 'Service restart');
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

const open = (socket: ApiSocket, host: SocketHost, client: SocketClient): void => {
  socket.on('message', onMessage).on('pong', onPong).on('error', onError).on('close', onClose);
  if (socket.protocol === GRAPHQL_TRANSPORT_WS_PROTOCOL) socket.session = new SocketSession(host, socket, client);
  else socket.close(CloseCode.SubprotocolNotAcceptable, 'Subprotocol not acceptable');
};

function onMessage(this: WebSocket, message: unknown): void {
  const { session } = this as ApiSocket;
  if (!session) return;
  withRequestId(undefined, () => session.receive(String(message))).catch((error: unknown) => session.fail(error));
}

function onPong(this: WebSocket): void {
  const { session } = this as ApiSocket;
  if (session) session.isAlive = true;
}

function onError(this: WebSocket, error: Error): void {
  (this as ApiSocket).session?.services.logger.debug({ err: error }, 'a socket broke');
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  const { session } = this as ApiSocket;
  session
    ?.close(code, String(reason))
    .catch((error: unknown) => session.services.logger.error({ err: error }, 'a socket could not be cleaned up'));
}
