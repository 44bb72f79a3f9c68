import { CloseCode } from 'graphql-ws';
import type { WebSocket } from 'ws';

/**
 * Sockets that have not said yet who they are. An honest client does so within a round trip: when there are too many, the
 * one that has waited longest is dropped, so that a flood of silent ones crowds out itself.
 */
export class WaitingSockets {
  readonly #max: number;
  /** In the order in which they came. */
  readonly #sockets = new Set<WebSocket>();

  constructor(max: number) {
    this.#max = max;
  }

  add(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.delete(socket));
    if (this.#sockets.size <= this.#max) return;
    const [oldest] = this.#sockets;
    if (!oldest) return;
    this.delete(oldest);
    // It may not answer to a closing handshake either.
    oldest.close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout');
    oldest.terminate();
  }

  delete(socket: WebSocket): void {
    this.#sockets.delete(socket);
  }
}
