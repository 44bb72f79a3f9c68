import { type NetConnectOpts, connect as netConnect, Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import type { Address } from '../redis-settings.ts';
import type { PrimaryFinder } from './primary-finder.ts';

/** What a server answers that is not, or no longer, the one to talk to: whoever hears it connects anew. */
const WRONG_SERVER = /^(MOVED|READONLY|UNBLOCKED)/;

/** As ioredis takes it for its connections: each leads to where the primary of a shard is at that moment. */
export const connectionToPrimary = (
  finder: PrimaryFinder,
  tag: string,
  tls: ConnectionOptions | undefined,
): RedisOptions => ({
  reconnectOnError: ({ message }) => WRONG_SERVER.test(message),
  ...(tls && { tls }),
  Connector: class extends AbstractConnector {
    constructor(options: unknown) {
      super((options as { disconnectTimeout: number }).disconnectTimeout);
    }

    /** Right after a failover, some still name the old primary. */
    override check({ role }: { role?: string }): boolean {
      return role !== 'slave';
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      try {
        return await this.#open(await finder.find(tag));
      } catch (error) {
        // If this threw, ioredis would not try again. A socket that is closed already makes it do so.
        this.firstError = error as Error;
        return new Socket().destroy();
      }
    }

    async #open(address: Address): Promise<Socket> {
      if (!this.connecting) throw new Error('Connection is closed.');
      const stream = tls ? tlsConnect({ ...address, ...tls }) : netConnect(address as NetConnectOpts);
      this.stream = stream;
      stream.once('error', (error) => {
        this.firstError = error;
      });
      const unfollow = finder.follow(tag, address, () => {
        stream.destroy(new Error(`${tag} is not served by ${address.host}:${address.port} any more`));
      });
      stream.once('close', unfollow);
      return stream;
    }
  },
});
