import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import type { Address, RedisServer } from '../redis-settings.ts';
import type { Route } from './redis-connector.ts';

export interface PrimaryFinderOptions {
  /** Of Sentinels, or of nodes of a cluster. */
  server: RedisServer;
  /** The hash tags of the shards whose primaries are wanted. */
  tags: readonly string[];
  tls: ConnectionOptions | undefined;
  /** How long connecting to one of them, or its answer, may take, in ms. */
  timeoutMs: number;
}

/** The primaries of shards, by their hash tags. */
type Primaries = ReadonlyMap<string, Address>;
type Ask = (scout: Redis, tags: readonly string[]) => Promise<Address[]>;

interface Follower {
  tag: string;
  address: Address;
  leave: () => void;
  /** Where the primary was said to be at the last look, if not here. */
  elsewhere: string | undefined;
}

/** How often it is looked whether a primary has moved from a server that is frozen, or cut off, and so does not say so itself. */
const WATCH_MS = 1_000;

/** Asks Sentinels, or nodes of a cluster, which servers are the primaries of a lane's shards. */
export class PrimaryFinder {
  readonly #options: PrimaryFinderOptions;
  readonly #ask: Ask;
  readonly #followers = new Set<Follower>();
  readonly #timer: NodeJS.Timeout;
  /** The one that answered last comes first. */
  #candidates: Address[];
  #scout: Redis | undefined;
  #looking: Promise<Primaries> | undefined;
  #watching: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: PrimaryFinderOptions) {
    const { server } = options;
    this.#options = options;
    this.#candidates = [...server.addresses];
    this.#ask = server.sentinel ? askSentinel(server.sentinel.name) : askNode((found) => this.#learn(found));
    this.#timer = setInterval(() => void this.#watch(), WATCH_MS).unref();
  }

  /** To the primary of a shard. Whoever asks at the same time as others shares one look. */
  routeTo(tag: string): Route {
    return {
      isToPrimary: true,
      find: async () => {
        const address = (await this.#look()).get(tag);
        if (!address) throw new Error(`nobody serves ${tag}`);
        return address;
      },
      follow: (address, leave) => {
        const follower: Follower = { tag, address, leave, elsewhere: undefined };
        this.#followers.add(follower);
        return () => this.#followers.delete(follower);
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#scout?.disconnect();
  }

  #look(): Promise<Primaries> {
    this.#looking ??= this.#askAround().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #askAround(): Promise<Primaries> {
    const { tags } = this.#options;
    let failure: unknown;
    for (const candidate of [...this.#candidates]) {
      if (this.#isClosed) break;
      this.#scout ??= this.#connectTo(candidate);
      try {
        const addresses = await this.#ask(this.#scout, tags);
        return new Map(addresses.map((address, i) => [tags[i] as string, address]));
      } catch (error) {
        failure = error;
        this.#scout.disconnect();
        this.#scout = undefined;
        // It is the last one to be asked next time.
        this.#candidates = [...this.#candidates.filter((each) => each !== candidate), candidate];
      }
    }
    throw failure ?? new Error('closed');
  }

  #connectTo({ host, port }: Address): Redis {
    const { server, tls, timeoutMs } = this.#options;
    const [username, password] = server.sentinel
      ? [undefined, server.sentinel.password]
      : [server.username, server.password];
    const scout = new Redis({
      host,
      port,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls && { tls }),
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      enableReadyCheck: false,
      retryStrategy: null,
    });
    // What is asked fails by itself.
    return scout.on('error', () => {});
  }

  /** Nodes that were named at the start may go; others tell of those that came. */
  #learn(nodes: readonly Address[]): void {
    const keyOf = ({ host, port }: Address): string => `${host}:${port}`;
    const known = new Set(this.#candidates.map(keyOf));
    this.#candidates.push(...nodes.filter((node) => !known.has(keyOf(node))));
  }

  /** Every look is heard once, also one that takes longer than the interval. */
  #watch(): Promise<void> {
    this.#watching ??= this.#hear().finally(() => {
      this.#watching = undefined;
    });
    return this.#watching;
  }

  /** Followers leave when they hear the same twice: right after a failover, some do not know of it yet. */
  async #hear(): Promise<void> {
    if (this.#followers.size === 0) return;
    const primaries = await this.#look().catch(() => undefined);
    for (const follower of primaries ? this.#followers : []) {
      const { host, port } = primaries?.get(follower.tag) ?? follower.address;
      const isHere = host === follower.address.host && port === follower.address.port;
      const elsewhere = isHere ? undefined : `${host}:${port}`;
      if (elsewhere !== undefined && elsewhere === follower.elsewhere) follower.leave();
      follower.elsewhere = elsewhere;
    }
  }
}

const askSentinel =
  (name: string): Ask =>
  async (scout, tags) => {
    const found = (await scout.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as [string, string] | null;
    if (!found) throw new Error(`the Sentinel knows no primary of the name ${name}`);
    return tags.map(() => ({ host: found[0], port: Number(found[1]) }));
  };

/** From where to where, then the primary and its replicas: host, port, id, more. */
type SlotRange = [from: number, to: number, ...nodes: [host: string | null, port: number, ...more: unknown[]][]];

const askNode = (learn: (nodes: readonly Address[]) => void): Ask => {
  // The slot of a name never changes, so that it is asked for once.
  const slotsByTag = new Map<string, number>();
  const slotOf = async (scout: Redis, tag: string): Promise<number> => {
    const slot = slotsByTag.get(tag) ?? (await scout.cluster('KEYSLOT', tag));
    slotsByTag.set(tag, slot);
    return slot;
  };
  return async (scout, tags) => {
    const [state, ranges, ...slots] = (await Promise.all([
      scout.cluster('INFO'),
      scout.cluster('SLOTS'),
      ...tags.map((tag) => slotOf(scout, tag)),
    ])) as [string, SlotRange[], ...number[]];
    // One that is cut off from the majority remembers how things were.
    if (!state.includes('cluster_state:ok')) throw new Error('the cluster is down');
    const toAddress = ([host, port]: SlotRange[2]): Address => ({ host: host || (scout.options.host ?? ''), port });
    learn(ranges.flatMap(([, , ...nodes]) => nodes.map(toAddress)));
    return slots.map((slot, i) => {
      const range = ranges.find(([from, to]) => from <= slot && slot <= to);
      if (!range?.[2]) throw new Error(`no node of the cluster serves ${tags[i]}`);
      return toAddress(range[2]);
    });
  };
};
