import { queuesChannel, REALTIME_CHANNELS, realtimeChannel } from '../broker/keys.ts';
import type { Broker, Lane } from '../broker/lanes.ts';
import { type Change, encodeChange } from './change.ts';

/** Which of the channels carries an owner's changes. */
export const channelOfOwner = (ownerId: string): number => Number.parseInt(ownerId.slice(-8), 16) % REALTIME_CHANNELS;

/**
 * Publishes committed changes on a lane, one message a channel, and which queues' counts have changed.
 *
 * @param changes in the order in which subscribers shall get them
 * @throws what ioredis throws; subscribers then find the changes in PostgreSQL later
 */
export const publishChanges = async (broker: Broker, lane: Lane, changes: readonly Change[]): Promise<void> => {
  const lines = new Map<number, string[]>();
  const queues = new Set<string>();
  for (const change of changes) {
    const channel = channelOfOwner(change.ownerId);
    const list = lines.get(channel);
    if (list) list.push(encodeChange(change));
    else lines.set(channel, [encodeChange(change)]);
    queues.add(change.queue);
  }
  const sent: Promise<unknown>[] = [];
  for (const [channel, list] of lines) {
    sent.push(lane.redis.publish(realtimeChannel(broker.prefix, lane.name, channel), list.join('\n')));
  }
  if (queues.size > 0) sent.push(lane.redis.publish(queuesChannel(broker.prefix, lane.name), [...queues].join(',')));
  await Promise.all(sent);
};
