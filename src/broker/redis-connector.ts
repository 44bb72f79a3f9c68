import { type NetConnectOpts, connect as netConnect, Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import type { Address } from '../redis-settings.ts';

/** How a connection gets to its server. */
export interface Route {
  /** Whether it leads to a primary, which may move. */
  isToPrimary: boolean;
  /** Asked before each connection. @throws Error when it is not known now */
  find(): Promise<Address>;
  /** Calls `leave` when the connection should be to another server by now. @returns how to end it */
  follow(address: Address, leave: () => void): () => void;
}

/** To one server, wherever. */
export const straightTo = (address: Address): Route => ({
  isToPrimary: false,
  find: () => Promise.resolve(address),
  follow: () => () => {},
});

/** What a server answers that is not, or no longer, the one to talk to: whoever hears it connects anew. */
const WRONG_SERVER = /^(MOVED |READONLY|UNBLOCKED)/;

/** What ioredis must be given to connect by this route. */
export const connectionBy = (route: Route, tls: ConnectionOptions | undefined): RedisOptions => ({
  reconnectOnError: ({ message }) => route.isToPrimary && WRONG_SERVER.test(message),
  ...(tls && { tls }),
  Connector: class extends AbstractConnector {
    constructor(options: unknown) {
      super((options as { disconnectTimeout: number }).disconnectTimeout);
    }

    #ended: Socket | undefined;

    /** Each of many commands that meet the wrong server asks for it. */
    override disconnect(): void {
      const isEnding = this.stream !== undefined && this.stream === this.#ended;
      this.connecting = false;
      if (isEnding) return;
      this.#ended = this.stream;
      super.disconnect();
    }

    /** Right after a failover, some still name the old primary. */
    override check({ role }: { role?: string }): boolean {
      return !route.isToPrimary || role !== 'slave';
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      try {
        return this.#open(await route.find());
      } catch (error) {
        // If this threw, ioredis would not try again. A socket that is closed already makes it do so.
        this.firstError = error as Error;
        return new Socket().destroy();
      }
    }

    #open(address: Address): Socket {
      if (!this.connecting) throw new Error('Connection is closed.');
      const stream = tls ? tlsConnect({ ...address, ...tls }) : netConnect(address as NetConnectOpts);
      this.stream = stream;
      // One that fails with TLS may say so twice. ioredis hears the first, and the second would end the process.
      stream.on('error', (error) => {
        this.firstError = error;
      });
      const unfollow = route.follow(address, () => {
        stream.destroy(new Error(`${address.host}:${address.port} is not the primary any more`));
      });
      stream.once('close', unfollow);
      return stream;
    }
  },
});
