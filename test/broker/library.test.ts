import { describe, expect, test } from 'vitest';
import { claim, complete, enqueue, lead } from '../../src/broker/calls.ts';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import { Broker } from '../../src/broker/lanes.ts';
import { compareVersions, loadLibrary, offerLibrary } from '../../src/broker/library.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../src/tasks/task-state.ts';
import { startPrivateRedis } from '../support/private-servers.ts';
import { openEpoch } from '../support/shard-setup.ts';
import { headOf } from '../support/shard-state.ts';

const openBroker = async (port: number): Promise<Broker> => {
  const server = { addresses: [{ host: '127.0.0.1', port }] };
  const broker = new Broker(
    { high: server, low: server, prefix: 'tf', shardsPerLane: 3, commandTimeoutMs: 5_000 },
    () => {},
  );
  await broker.ready();
  return broker;
};

describe('the library', () => {
  test('is missed in a new Redis, can be loaded twice, and forbids moves that the state table does not have', async () => {
    await using server = await startPrivateRedis();
    const broker = await openBroker(server.port);
    const [shard] = broker.low.shards;
    if (!shard) throw new Error('no shard');
    await expect(lead(shard, { holder: 'a', leaseMs: 1_000 })).rejects.toThrow(BrokerNotReadyError);

    for (let i = 0; i < 2; i++) await loadLibrary(broker.low.redis, { moves: LEGAL_MOVES, live: LIVE_STATUSES });
    await openEpoch(shard, 1);
    const add = (id: string) =>
      enqueue(shard, { epoch: 1 }, [{ id, seq: 1, runAt: '', head: headOf(), payload: '{}' }]);
    const take = () => claim(shard, { worker: 'w', limit: 1, leaseMs: 1_000, lowFirst: 0, queues: '*', types: 'echo' });
    const finish = (id: string) => complete(shard, { worker: 'w' }, [{ id, token: '1.2', result: '1' }]);
    await add('a');
    await take();
    expect(await finish('a')).toEqual([]);

    await add('b');
    await take();
    const moves = { ...LEGAL_MOVES, PROCESSING: ['FAILED'] };
    await loadLibrary(broker.low.redis, { moves, live: LIVE_STATUSES });
    await expect(finish('b')).rejects.toThrow('illegal move PROCESSING -> COMPLETED of b');
    broker.close();
  });
});

describe('a library of another release', () => {
  const STATES = { moves: LEGAL_MOVES, live: LIVE_STATUSES };

  /** One that says that it is of `version`, or does not say it. */
  const other = (version?: string): string =>
    `#!lua name=taskflow1\nredis.register_function('tf1_other', function() return 1 end)\n${
      version === undefined ? '' : `redis.register_function('tf1_version', function() return '${version}' end)`
    }`;

  test('is replaced when it is older, and stays when it is newer', async () => {
    await using server = await startPrivateRedis();
    const broker = await openBroker(server.port);
    const [shard] = broker.low.shards;
    if (!shard) throw new Error('no shard');
    const { redis } = broker.low;
    const isOurs = () =>
      redis.fcall('tf1_other', 1, shard.tag).then(
        () => false,
        () => true,
      );
    expect(await offerLibrary(shard, STATES, false)).toBe(true);
    expect(await offerLibrary(shard, STATES, false)).toBe(false);
    expect(await offerLibrary(shard, STATES, true)).toBe(true);
    for (const older of [undefined, '0.0.9']) {
      await redis.function('LOAD', 'REPLACE', other(older));
      expect(await offerLibrary(shard, STATES, false)).toBe(true);
      expect(await isOurs()).toBe(true);
    }
    await redis.function('LOAD', 'REPLACE', other('99.0.0'));
    expect(await offerLibrary(shard, STATES, true)).toBe(false);
    expect(await isOurs()).toBe(false);
    broker.close();
  });

  test('is told by its numbers, one after the other', () => {
    expect(compareVersions('0.10.0', '0.9.9')).toBeGreaterThan(0);
    expect(compareVersions('1.2.3', '1.3.0')).toBeLessThan(0);
    expect(compareVersions('1.2.3-beta.1', '1.2.3')).toBe(0);
  });
});

describe('shards', () => {
  test('of a lane share the tasks by the end of their ids, and a priority has one lane', async () => {
    const server = { addresses: [{ host: '127.0.0.1', port: 1 }] };
    const broker = new Broker(
      { high: server, low: server, prefix: 'tf', shardsPerLane: 3, commandTimeoutMs: 5_000 },
      () => {},
    );
    const shardOf = (priority: 'HIGH' | 'NORMAL' | 'LOW', end: string) =>
      broker.shardFor(priority, `01900000-0000-7000-8000-0000${end}`).id;
    expect(shardOf('NORMAL', '00000004')).toBe('low:1');
    expect(shardOf('LOW', '00000005')).toBe('low:2');
    expect(shardOf('HIGH', 'ffffffff')).toBe('high:0');
    expect(broker.shards.map(({ id, tag }) => `${id} ${tag}`)).toEqual(
      ['high', 'low'].flatMap((lane) => [0, 1, 2].map((i) => `${lane}:${i} {tf:${lane}:${i}}`)),
    );
    broker.close();
  });
});
