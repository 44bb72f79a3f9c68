import { CloseCode } from 'graphql-ws';
import type { WebSocket } from 'ws';

/** How long a socket may take to say who it is, in ms. */
const INIT_TIMEOUT_MS = 10_000;

/**
 * Sockets that have not said yet who they are. An honest client does so within a round trip: whoever takes ten seconds is
 * dropped, and when there are too many, the one that has waited longest, so that a flood of silent ones crowds out itself.
 */
export class WaitingSockets {
  readonly #max: number;
  /** With when their time is up, by `performance.now()`, in the order in which they came. */
  readonly #sockets = new Map<WebSocket, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  add(socket: WebSocket): void {
    this.#sockets.set(socket, performance.now() + INIT_TIMEOUT_MS);
    this.#timer ??= setTimeout(() => this.#dropLate(), INIT_TIMEOUT_MS).unref();
    if (this.#sockets.size <= this.#max) return;
    const [oldest] = this.#sockets.keys();
    if (!oldest) return;
    this.#drop(oldest);
    // It may not answer to a closing handshake either.
    oldest.terminate();
  }

  /** It has said who it is, or is gone. */
  delete(socket: WebSocket): void {
    this.#sockets.delete(socket);
  }

  #dropLate(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [socket, endsAt] of this.#sockets) {
      if (endsAt > now) {
        this.#timer = setTimeout(() => this.#dropLate(), endsAt - now).unref();
        return;
      }
      this.#drop(socket);
    }
  }

  #drop(socket: WebSocket): void {
    this.#sockets.delete(socket);
    socket.close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout');
  }
}
