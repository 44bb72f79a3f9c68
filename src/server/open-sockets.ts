import type { SocketSession } from './socket-session.ts';

/** How often a socket is asked whether it lives, in ms; one that has not answered by the next time is dropped. */
const PING_INTERVAL_MS = 12_000;
/** Sockets are asked in so many groups, one after the other: all at once would hold up everything else. */
const GROUPS = 24;

/** All open sockets of a server, which it asks from time to time whether they live: by one timer, not one each. */
export class OpenSockets {
  readonly #groups = Array.from({ length: GROUPS }, () => new Set<SocketSession>());
  readonly #timer: NodeJS.Timeout;
  #next = 0;
  #asked = 0;

  constructor() {
    this.#timer = setInterval(() => this.#askGroup(), PING_INTERVAL_MS / GROUPS).unref();
  }

  get size(): number {
    return this.#groups.reduce((size, group) => size + group.size, 0);
  }

  /** @returns the number of its group, which `delete` takes */
  add(session: SocketSession): number {
    const number = this.#next++ % GROUPS;
    this.#groups[number]?.add(session);
    return number;
  }

  delete(session: SocketSession, group: number): void {
    this.#groups[group]?.delete(session);
  }

  /** Closes all of them. */
  close(code: number, reason: string): void {
    clearInterval(this.#timer);
    for (const group of this.#groups) for (const session of group) session.socket.close(code, reason);
  }

  #askGroup(): void {
    for (const session of this.#groups[this.#asked++ % GROUPS] ?? []) session.check();
  }
}
