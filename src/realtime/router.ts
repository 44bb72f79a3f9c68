import { setTimeout as delay } from 'node:timers/promises';
import { RedisPubSub } from 'graphql-redis-subscriptions';
import type { Redis } from 'ioredis';
import {
  operationsChannel,
  queuesChannel,
  REALTIME_CHANNELS,
  realtimeChannel,
  revocationsChannel,
} from '../broker/keys.ts';
import type { Broker } from '../broker/lanes.ts';
import { type Logger, reportFailures } from '../logger.ts';
import { type Change, type CountedTransition, decodeLine, decodeTransition, ownerOfLine } from './change.ts';
import type { Mailbox } from './mailbox.ts';
import { type FeedMessage, isSideMessage, OwnerFeed, type ReadChanges } from './owner-feed.ts';
import { channelOfOwner } from './publish.ts';

export interface RouterOptions {
  readChanges: ReadChanges;
  /** The last position of each of these owners, in PostgreSQL. */
  readPositions: (ownerIds: readonly string[]) => Promise<Map<string, number>>;
  /** Messages that may wait for one subscriber. */
  subscriberBuffer: number;
  /** How often PostgreSQL is asked whether a message was lost without a later one that would show the hole. Default: 5 s. */
  checkIntervalMs?: number;
  logger: Logger;
}

/** An owner's changes from now on. */
export interface FeedSubscription {
  /** All changes up to this position are in PostgreSQL already; `changes` has those after it. */
  position: number;
  changes: Mailbox<Change>;
}

interface Listened {
  listeners: Set<(names: string[]) => void>;
  listening: Promise<unknown> | undefined;
}

const CHECK_INTERVAL_MS = 5_000;
/** How long closing waits for Redis, in ms. */
const END_TIMEOUT_MS = 500;
/** How long a new subscriber waits for Redis before it gets PostgreSQL's changes only, in ms. */
const SUBSCRIBE_TIMEOUT_MS = 1_000;

/** Just cutting it while ioredis subscribes again by itself would reject that, with nobody there to hear it. */
const endConnection = async (connection: Redis): Promise<void> => {
  connection.options.autoResubscribe = false;
  if (connection.status === 'ready') {
    await Promise.race([connection.quit(), delay(END_TIMEOUT_MS, undefined, { ref: false })]).catch(() => undefined);
  }
  connection.disconnect();
};

/**
 * The library makes a second promise of each beginning subscription, for others who come meanwhile. When it fails and
 * nobody came, that would end the process.
 */
const subscribe = async (
  pubsub: RedisPubSub,
  channel: string,
  listener: (message: string) => void,
): Promise<() => void> => {
  const id = pubsub.subscribe(channel, listener);
  const { subsPendingRefsMap } = pubsub as unknown as { subsPendingRefsMap: Map<string, { pending: Promise<void> }> };
  subsPendingRefsMap.get(channel)?.pending.catch(() => undefined);
  const subscribed = await id;
  return () => pubsub.unsubscribe(subscribed);
};

/**
 * Hands the changes that managers and submitters publish to this node's subscribers. A node subscribes to an owner's
 * channel, once, when the first of its clients watches that owner; a delivered change costs no database read.
 */
export class RealtimeRouter {
  readonly #broker: Broker;
  readonly #options: RouterOptions;
  readonly #feeds = new Map<string, Promise<OwnerFeed>>();
  readonly #ready = new Map<string, OwnerFeed>();
  readonly #channels = new Map<number, Promise<() => void>>();
  readonly #observers = new Set<(transition: CountedTransition) => void>();
  readonly #listened = new Map<(prefix: string, lane: string) => string, Listened>();
  readonly #lanes: { name: string; pubsub: RedisPubSub; connections: Redis[] }[];
  readonly #check: NodeJS.Timeout;
  readonly #reportFailure: (error: unknown) => void;
  #isClosed = false;
  /** By feeds that are gone. */
  #deliveredBefore = 0;

  constructor(broker: Broker, options: RouterOptions) {
    this.#broker = broker;
    this.#options = options;
    this.#reportFailure = reportFailures(options.logger, {
      outage: 'subscribers wait for PostgreSQL',
      fault: 'could not read changes; will try again',
    });
    this.#lanes = broker.lanes.map((lane) => this.#openLane(lane.name, lane.connect(), lane.redis));
    this.#check = setInterval(
      () => void this.#findLostMessages(),
      options.checkIntervalMs ?? CHECK_INTERVAL_MS,
    ).unref();
  }

  /** How many subscribers there are, and how many changes they were handed since the beginning. */
  figures(): { subscribers: number; delivered: number } {
    let subscribers = 0;
    let delivered = this.#deliveredBefore;
    for (const feed of this.#ready.values()) {
      subscribers += feed.subscribers;
      delivered += feed.delivered;
    }
    return { subscribers, delivered };
  }

  /**
   * @param ownerId whose changes
   * @param taskId only those of this task. Default: all
   * @throws Error when PostgreSQL or Redis cannot be reached to begin
   */
  async subscribe(ownerId: string, taskId?: string): Promise<FeedSubscription> {
    const feed = await this.#feed(ownerId);
    const changes = feed.subscribe(taskId);
    return { position: feed.position, changes };
  }

  /**
   * A task's changes from now on, with its progress and log lines in between.
   *
   * @throws Error when PostgreSQL cannot be reached to begin
   */
  async subscribeWithSide(ownerId: string, taskId: string): Promise<Mailbox<FeedMessage>> {
    const feed = await this.#feed(ownerId);
    return feed.subscribeWithSide(taskId);
  }

  /**
   * Calls `observer` with each of an owner's changes from now on, in order, each once; returns how to end it.
   *
   * @throws Error when PostgreSQL cannot be reached to begin
   */
  async observe(ownerId: string, observer: (change: CountedTransition) => void): Promise<() => void> {
    const feed = await this.#feed(ownerId);
    return feed.observe(observer);
  }

  /**
   * Calls `observer` with the transitions of all owners as they are published; returns how to end it. While somebody
   * observes, this node hears all channels. What is published while the connection to Redis is cut, is missing.
   *
   * @throws Error when Redis refuses
   */
  async observeAll(observer: (transition: CountedTransition) => void): Promise<() => void> {
    this.#observers.add(observer);
    const end = (): void => {
      this.#observers.delete(observer);
      this.#leaveChannels();
    };
    try {
      await Promise.all(Array.from({ length: REALTIME_CHANNELS }, (_, channel) => this.#listenToChannel(channel)));
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  /** Calls `listener` with the names of queues whose counts may have changed; returns how to end it. */
  onQueueChange(listener: (queues: string[]) => void): Promise<() => void> {
    return this.#onNames(queuesChannel, listener);
  }

  /** Calls `listener` with the ids of operations that have gone on; returns how to end it. */
  onOperationChange(listener: (ids: string[]) => void): Promise<() => void> {
    return this.#onNames(operationsChannel, listener);
  }

  /** Calls `listener` with what is said about revoked credentials. Settles once Redis is listened to. */
  async onRevocation(listener: (message: string) => void): Promise<void> {
    await this.#listen((lane) => revocationsChannel(this.#broker.prefix, lane), listener);
  }

  async close(error: Error): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#check);
    for (const feed of this.#ready.values()) {
      feed.fail(error);
      feed.stop();
    }
    await Promise.all(this.#lanes.flatMap(({ connections }) => connections.map(endConnection)));
  }

  #openLane(name: string, subscriber: Redis, publisher: Redis) {
    // After a cut connection, whatever was published meanwhile was lost: PostgreSQL has it.
    subscriber.on('ready', () => {
      for (const feed of this.#ready.values()) void feed.catchUp();
    });
    const pubsub = new RedisPubSub({ publisher, subscriber, deserializer: String });
    return { name, pubsub, connections: [subscriber] };
  }

  #feed(ownerId: string): Promise<OwnerFeed> {
    let feed = this.#feeds.get(ownerId);
    if (!feed) {
      feed = this.#openFeed(ownerId).catch((error) => {
        this.#feeds.delete(ownerId);
        throw error;
      });
      this.#feeds.set(ownerId, feed);
    }
    return feed;
  }

  async #openFeed(ownerId: string): Promise<OwnerFeed> {
    const feed = new OwnerFeed(ownerId, {
      readChanges: this.#options.readChanges,
      readPosition: async (id) => (await this.#options.readPositions([id])).get(id) ?? 0,
      subscriberBuffer: this.#options.subscriberBuffer,
      onError: this.#reportFailure,
    });
    this.#ready.set(ownerId, feed);
    try {
      await this.#listenInTime(ownerId, feed);
      const positions = await this.#options.readPositions([ownerId]);
      feed.startAt(positions.get(ownerId) ?? 0);
      return feed;
    } catch (error) {
      this.#ready.delete(ownerId);
      throw error;
    }
  }

  /** While Redis is away, a feed begins all the same: from PostgreSQL, with the regular checks. */
  async #listenInTime(ownerId: string, feed: OwnerFeed): Promise<void> {
    let isLate = false;
    const listening = this.#listenToChannel(channelOfOwner(ownerId)).then(() => (isLate ? feed.catchUp() : undefined));
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, SUBSCRIBE_TIMEOUT_MS).unref());
    await Promise.race([
      listening,
      timeout.then(() => {
        isLate = true;
      }),
    ]);
  }

  /** On a channel whose messages are names with commas between. */
  async #onNames(
    channelOf: (prefix: string, lane: string) => string,
    listener: (names: string[]) => void,
  ): Promise<() => void> {
    const known = this.#listened.get(channelOf);
    const listened = known ?? { listeners: new Set(), listening: undefined };
    this.#listened.set(channelOf, listened);
    listened.listeners.add(listener);
    listened.listening ??= this.#listen(
      (lane) => channelOf(this.#broker.prefix, lane),
      (message) => {
        const names = message.split(',');
        for (const each of listened.listeners) each(names);
      },
    );
    await listened.listening;
    return () => listened.listeners.delete(listener);
  }

  #listenToChannel(channel: number): Promise<() => void> {
    let listening = this.#channels.get(channel);
    if (!listening) {
      listening = this.#listen(
        (lane) => realtimeChannel(this.#broker.prefix, lane, channel),
        (message) => this.#route(message),
      ).catch((error) => {
        this.#channels.delete(channel);
        throw error;
      });
      this.#channels.set(channel, listening);
    }
    return listening;
  }

  /** @returns how to stop */
  async #listen(channelOf: (lane: string) => string, onMessage: (message: string) => void): Promise<() => void> {
    const lanes = await Promise.all(
      this.#lanes.map(({ name, pubsub }) => subscribe(pubsub, channelOf(name), onMessage)),
    );
    return () => {
      for (const leave of lanes) leave();
    };
  }

  /** The library forgets the promise of leaving a channel, and it fails where the connection closes first. */
  #isConnected(): boolean {
    return (
      !this.#isClosed && this.#lanes.every(({ connections }) => connections.every(({ status }) => status === 'ready'))
    );
  }

  /** Stops listening where nobody watches any more: whoever comes next listens again. */
  #leaveChannels(): void {
    if (this.#observers.size > 0 || !this.#isConnected()) return;
    const needed = new Set([...this.#ready.keys()].map(channelOfOwner));
    for (const [channel, listening] of this.#channels) {
      if (needed.has(channel)) continue;
      this.#channels.delete(channel);
      listening.then((leave) => leave()).catch(() => undefined);
    }
  }

  #route(message: string): void {
    for (const line of message.split('\n')) {
      this.#show(line);
      const feed = this.#ready.get(ownerOfLine(line));
      if (!feed) continue;
      const decoded = decodeLine(line);
      if (isSideMessage(decoded)) feed.acceptSide(decoded);
      else feed.accept(decoded);
    }
  }

  #show(line: string): void {
    if (this.#observers.size === 0) return;
    const transition = decodeTransition(line);
    if (transition) for (const observe of this.#observers) observe(transition);
  }

  /** Also forgets the feeds that nobody watches any more. */
  async #findLostMessages(): Promise<void> {
    for (const [ownerId, feed] of this.#ready) {
      if (!feed.isIdle) continue;
      feed.stop();
      this.#deliveredBefore += feed.delivered;
      this.#ready.delete(ownerId);
      this.#feeds.delete(ownerId);
    }
    this.#leaveChannels();
    if (this.#ready.size === 0) return;
    const before = new Map([...this.#ready].map(([ownerId, feed]) => [ownerId, feed.position]));
    try {
      const positions = await this.#options.readPositions([...before.keys()]);
      for (const [ownerId, position] of positions) {
        const feed = this.#ready.get(ownerId);
        if (feed && position > feed.position && feed.position === before.get(ownerId)) void feed.catchUp();
      }
    } catch (error) {
      this.#reportFailure(error);
    }
  }
}
