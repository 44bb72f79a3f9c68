import { once } from 'node:events';
import { WebSocket } from 'ws';

const SUBSCRIPTION = 'subscription ($id: ID!) { taskUpdated(id: $id) { id status attempt } }';
/** Sockets that are being opened at once. */
const OPENING = 100;

/** Sockets with a subscription each, to one task. Counts what arrives on all of them. */
export class Subscribers {
  readonly #sockets: WebSocket[] = [];
  readonly #waiting: { count: number; resolve: () => void }[] = [];
  readonly #onMessage: (id: string) => void;
  #received = 0;

  /** @param onMessage told whose message arrived. Default: nobody is told */
  constructor(onMessage: (id: string) => void = () => {}) {
    this.#onMessage = onMessage;
  }

  /** @param isSeeded the subscription begins with the task as it is, so the first message says that it stands */
  async open(url: string, ids: readonly string[], params: object, isSeeded: boolean): Promise<void> {
    for (let start = 0; start < ids.length; start += OPENING) {
      await Promise.all(ids.slice(start, start + OPENING).map((id) => this.#open(url, id, params, isSeeded)));
    }
    this.#received = 0;
  }

  received(count: number): Promise<void> {
    return this.#received >= count
      ? Promise.resolve()
      : new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  async #open(url: string, id: string, params: object, isSeeded: boolean): Promise<void> {
    const socket = new WebSocket(url, 'graphql-transport-ws');
    this.#sockets.push(socket);
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: params }));
    await once(socket, 'message');
    const first = isSeeded ? once(socket, 'message') : undefined;
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: SUBSCRIPTION, variables: { id } } }));
    await first;
    socket.on('message', () => {
      this.#onMessage(id);
      this.#count();
    });
  }

  #count(): void {
    this.#received++;
    while (this.#waiting[0] && this.#received >= this.#waiting[0].count) this.#waiting.shift()?.resolve();
  }
}
