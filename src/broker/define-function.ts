import type { Shard } from './lanes.ts';

/** The shard lost its data, or its functions were not loaded yet: its leader will rebuild it. Trying again later helps. */
export class BrokerNotReadyError extends Error {
  override name = 'BrokerNotReadyError';
}

/** The caller's epoch is too old to be acted upon. */
export class BrokerStaleError extends Error {
  override name = 'BrokerStaleError';
  readonly epoch: string;
  constructor(epoch: string) {
    super(`the shard's epoch is ${epoch} by now`);
    this.epoch = epoch;
  }
}

const translate = (error: unknown): unknown => {
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('NOTREADY') || message.includes('Function not found')) {
    return new BrokerNotReadyError(message, { cause: error });
  }
  if (message.startsWith('STALE ')) return new BrokerStaleError(message.slice('STALE '.length));
  return error;
};

type Value = string | number;
type Args<Names extends readonly string[]> = Readonly<Record<Names[number], Value>>;

interface Definition<Names extends readonly string[], Items extends readonly string[], Reply> {
  /** As in Lua, without the "tf1_" before it. */
  name: string;
  args: Names;
  /** Names of what is repeated for each item after the arguments. */
  items: Items;
  reply: (raw: unknown) => Reply;
}

/**
 * Declares a function of the Lua library once: the order of its arguments is written here, and callers pass objects.
 *
 * @returns a call that runs it on a shard. It throws BrokerNotReadyError, BrokerStaleError, or what ioredis throws.
 */
export const defineFunction =
  <const Names extends readonly string[], const Items extends readonly string[], Reply>(
    definition: Definition<Names, Items, Reply>,
  ): ((shard: Shard, args: Args<Names>, items?: readonly Args<Items>[]) => Promise<Reply>) =>
  async (shard, args, items = []) => {
    const values: Value[] = definition.args.map((name) => args[name as Names[number]]);
    for (const item of items) {
      for (const name of definition.items) values.push(item[name as Items[number]]);
    }
    try {
      return definition.reply(await shard.redis.fcall(`tf1_${definition.name}`, 1, shard.tag, ...values));
    } catch (error) {
      throw translate(error);
    }
  };
