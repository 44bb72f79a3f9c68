import type { Broker, Shard } from '../broker/lanes.ts';
import { badInput } from '../errors.ts';

/** A claimed task as a worker without Redis names it. */
export interface Lease {
  id: string;
  /** As `leaseToken` writes it. */
  token: string;
}

/** What a worker without Redis shows with each report: the shard, which it need not know, and the broker's token. */
export const leaseToken = (shard: Shard, token: string): string => `${shard.id}/${token}`;

/** Redis knows task ids in lower case. A token is short; anything longer was not given by us. */
const TOKEN = /^((?:high|low):\d{1,4})\/(\d{1,20}\.\d{1,10})$/;
const MAX_ID_LENGTH = 36;

/**
 * Sorts reports by the shards that gave the leases, with the tokens as the broker gave them.
 *
 * @param field where the list stands in the request, for errors
 * @throws TaskFlowError BAD_USER_INPUT for a token that is none of ours
 */
export const byShard = <Item extends Lease>(
  broker: Broker,
  items: readonly Item[],
  field: string,
): Map<Shard, Item[]> => {
  const shards = new Map(broker.shards.map((shard) => [shard.id, shard]));
  const found = new Map<Shard, Item[]>();
  items.forEach((item, index) => {
    const [, shardId = '', token = ''] = TOKEN.exec(item.token) ?? [];
    const shard = shards.get(shardId);
    if (!shard) throw badInput(`${field}.${index}.token`, `${field}.${index}.token was not given by claimTasks.`);
    if (item.id.length > MAX_ID_LENGTH) throw badInput(`${field}.${index}.id`, `${field}.${index}.id is no task's id.`);
    const held = { ...item, id: item.id.toLowerCase(), token };
    const list = found.get(shard);
    if (list) list.push(held);
    else found.set(shard, [held]);
  });
  return found;
};
