/**
 * Every Redis key, one function each. `tag` is a shard's tag, "{<prefix>:<lane>:<n>}": the braces make it a hash tag, so
 * that all keys of a shard share a cluster slot. What the values look like: functions/shared.lua.
 */

export const shardTag = (prefix: string, lane: string, index: number): string => `{${prefix}:${lane}:${index}}`;

export const metaKey = (tag: string): string => `${tag}:meta`;
export const eventsKey = (tag: string): string => `${tag}:events`;
export const timerKey = (tag: string): string => `${tag}:timer`;
export const pausedKey = (tag: string): string => `${tag}:paused`;
export const purgesKey = (tag: string): string => `${tag}:purges`;
export const linesKey = (tag: string): string => `${tag}:lines`;
export const countsKey = (tag: string): string => `${tag}:counts`;
export const ownerCountsKey = (tag: string): string => `${tag}:{owners}:counts`;
export const leaderKey = (tag: string): string => `${tag}:leader`;
export const workersKey = (tag: string): string => `${tag}:workers`;
export const workerExpiryKey = (tag: string): string => `${tag}:worker-expiry`;
export const taskTypesKey = (tag: string): string => `${tag}:types`;
export const typeDefaultsKey = (tag: string): string => `${tag}:type-defaults`;

/** @param line as `linesKey` lists them: "<priority>|<queue>|<type>" */
export const lineKey = (tag: string, line: string): string => `${tag}:line:${line}`;

/** @param queue a queue's name, or "*" for a worker that serves all queues */
export const wakeKey = (tag: string, queue: string, type: string): string => `${tag}:wake:${queue}|${type}`;

/** What a key of `wakeKey` was made of. */
export const readWakeKey = (tag: string, key: string): { queue: string; type: string } => {
  const [queue = '', type = ''] = key.slice(`${tag}:wake:`.length).split('|');
  return { queue, type };
};

/**
 * Keys of a shard that survive a rebuild: who leads it, who works for it, and what its purges have ended, which is recorded before.
 * Everything else is made anew.
 */
export const survivesRebuild = (tag: string, key: string): boolean =>
  [leaderKey, workersKey, workerExpiryKey, taskTypesKey, typeDefaultsKey, purgesKey].some(
    (keyOf) => keyOf(tag) === key,
  );

/** Pub/sub channels of a lane. A fixed number, chosen by owner: a channel an owner would cost a PUBLISH an owner. */
export const REALTIME_CHANNELS = 16;
export const realtimeChannel = (prefix: string, lane: string, index: number): string =>
  `${prefix}:${lane}:realtime:${index}`;
export const queuesChannel = (prefix: string, lane: string): string => `${prefix}:${lane}:queues`;
export const operationsChannel = (prefix: string, lane: string): string => `${prefix}:${lane}:operations`;
export const revocationsChannel = (prefix: string, lane: string): string => `${prefix}:${lane}:revocations`;
/** Pub/sub channel, in the high lane, on which managers are told that tasks have ended which others wait for. */
export const endedParentsChannel = (prefix: string): string => `${prefix}:ended-parents`;

/** Pub/sub channel of a shard on which workers are told that a task of theirs is to stop. */
export const controlChannel = (tag: string): string => `${tag}:control`;

/** What belongs to no shard is kept on the server of the high lane's first one, in its slot, but not under its tag. */
const besideFirstShard = (prefix: string, name: string): string => `${prefix}:${name}:${shardTag(prefix, 'high', 0)}`;

/** Where managers say that they live, so that they share the shards evenly. */
export const managersKey = (prefix: string): string => besideFirstShard(prefix, 'managers');

/** With what the keys of limits begin. */
export const limitsKey = (prefix: string): string => besideFirstShard(prefix, 'limit');
