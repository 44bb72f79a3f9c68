import { operationsChannel, queuesChannel, REALTIME_CHANNELS, realtimeChannel } from '../broker/keys.ts';
import type { Broker, Lane, Shard } from '../broker/lanes.ts';
import {
  type Change,
  encodeChange,
  encodeSideMessage,
  type LogMessage,
  type ProgressMessage,
  type SideMessage,
} from './change.ts';

/** On whose behalf something is published, and the connection for it: in a cluster, every node hears what one is told. */
export type Publisher = Pick<Lane, 'name' | 'redis'>;

/** A shard's events do not wait for another shard's server. */
export const publisherOf = ({ lane, redis }: Shard): Publisher => ({ name: lane.name, redis });

/** Which of the channels carries an owner's changes. */
export const channelOfOwner = (ownerId: string): number => Number.parseInt(ownerId.slice(-8), 16) % REALTIME_CHANNELS;

/**
 * Publishes committed changes on a lane, one message a channel, and which queues' counts have changed.
 *
 * @param changes in the order in which subscribers shall get them
 * @throws what ioredis throws; subscribers then find the changes in PostgreSQL later
 */
export const publishChanges = async (broker: Broker, lane: Publisher, changes: readonly Change[]): Promise<void> => {
  const sent = publishLines(broker, lane, changes, encodeChange);
  const queues = new Set(changes.map(({ queue }) => queue));
  if (queues.size > 0) sent.push(lane.redis.publish(queuesChannel(broker.prefix, lane.name), [...queues].join(',')));
  await Promise.all(sent);
};

/** Says that something about a queue has changed. @throws what ioredis throws */
export const publishQueueChange = async (broker: Broker, lane: Lane, queue: string): Promise<void> => {
  await lane.redis.publish(queuesChannel(broker.prefix, lane.name), queue);
};

/** Says that an operation has gone on. @throws what ioredis throws */
export const publishOperationChange = async (broker: Broker, lane: Lane, id: string): Promise<void> => {
  await lane.redis.publish(operationsChannel(broker.prefix, lane.name), id);
};

/** Publishes progress and log lines of running attempts. @throws what ioredis throws */
export const publishSideMessages = async (
  broker: Broker,
  lane: Publisher,
  progress: readonly Omit<ProgressMessage, 'kind'>[],
  logs: readonly Omit<LogMessage, 'kind'>[],
): Promise<void> => {
  const messages: SideMessage[] = [
    ...logs.map((line) => ({ kind: 'log' as const, ...line })),
    ...progress.map((each) => ({ kind: 'progress' as const, ...each })),
  ];
  await Promise.all(publishLines(broker, lane, messages, encodeSideMessage));
};

const publishLines = <T extends { ownerId: string }>(
  broker: Broker,
  lane: Publisher,
  messages: readonly T[],
  encode: (message: T) => string,
): Promise<unknown>[] => {
  const lines = new Map<number, string[]>();
  for (const message of messages) {
    const channel = channelOfOwner(message.ownerId);
    const list = lines.get(channel);
    if (list) list.push(encode(message));
    else lines.set(channel, [encode(message)]);
  }
  return [...lines].map(([channel, list]) =>
    lane.redis.publish(realtimeChannel(broker.prefix, lane.name, channel), list.join('\n')),
  );
};
