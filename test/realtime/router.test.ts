import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Broker } from '../../src/broker/lanes.ts';
import type { Change } from '../../src/realtime/change.ts';
import { publishChanges } from '../../src/realtime/publish.ts';
import { RealtimeRouter, type RouterOptions } from '../../src/realtime/router.ts';
import { ChangeLog, range, take } from '../support/changes.ts';
import { silent } from '../support/factory.ts';
import { type PrivateServer, startPrivateRedis } from '../support/private-servers.ts';
import { openBroker } from '../support/shard-setup.ts';
import { waitFor } from '../support/wait-for.ts';

let redis: PrivateServer;
let broker: Broker;
let log: ChangeLog;
let routers: RealtimeRouter[];

beforeAll(async () => {
  redis = await startPrivateRedis();
  broker = openBroker(redis.port);
});
afterAll(async () => {
  broker.close();
  await redis[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await broker.ready();
  log = new ChangeLog();
  routers = [];
});
afterEach(async () => {
  for (const router of routers) await router.close(new Error('the test is over'));
});

/** A node; it checks for lost messages only where a test says so. */
const openRouter = (more: Partial<RouterOptions> = {}): RealtimeRouter => {
  const { readChanges, readPositions } = log;
  const options = { readChanges, readPositions, subscriberBuffer: 10_000, checkIntervalMs: 600_000, logger: silent };
  const router = new RealtimeRouter(broker, { ...options, ...more });
  routers.push(router);
  return router;
};

const publish = (changes: Change[], lane = broker.low) => publishChanges(broker, lane, changes);
const commitAndPublish = (ownerId: string, count: number) => publish(log.commit(ownerId, count));
/** Cuts what routers listen with, and nothing else. */
const cutSubscribers = () => broker.low.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');

describe('the router', () => {
  test('hands changes to subscribers on every node, from both lanes, without reading them', async () => {
    const ownerId = uuidv7();
    log.commit(ownerId, 3);
    const subscriptions = await Promise.all([openRouter(), openRouter()].map((node) => node.subscribe(ownerId)));
    expect(subscriptions.map(({ position }) => position)).toEqual([3, 3]);
    await publish(log.commit(ownerId, 2), broker.low);
    await publish(log.commit(ownerId, 2), broker.high);
    for (const { changes } of subscriptions) expect(await take(changes, 4)).toEqual([4, 5, 6, 7]);
    expect(log.reads).toBe(0);
  });

  test('delivers each change once to many subscribers of one owner, and nothing of others', async () => {
    const [ownerId, other] = [uuidv7(), uuidv7()];
    const router = openRouter();
    const subscriptions = await Promise.all(Array.from({ length: 20 }, () => router.subscribe(ownerId)));
    const theirs = await router.subscribe(other);
    await publish([...log.commit(other, 2), ...log.commit(ownerId, 3), ...log.commit(other, 1)]);
    for (const { changes } of subscriptions) {
      expect(await take(changes, 3)).toEqual([1, 2, 3]);
      expect(changes.drain(10)).toEqual([]);
    }
    expect(await take(theirs.changes, 3)).toEqual([1, 2, 3]);
  });

  test('misses nothing while its connection is cut again and again', async () => {
    const ownerId = uuidv7();
    const { changes } = await openRouter().subscribe(ownerId);
    const read = take(changes, 300);
    for (let i = 0; i < 30; i++) {
      if (i % 5 === 2) await cutSubscribers();
      await commitAndPublish(ownerId, 10);
    }
    expect(await read).toEqual(range(1, 300));
  });

  test('reads what was published while it was cut off, without a later message', async () => {
    const ownerId = uuidv7();
    const { changes } = await openRouter().subscribe(ownerId);
    await cutSubscribers();
    log.commit(ownerId, 5);
    expect(await take(changes, 5)).toEqual([1, 2, 3, 4, 5]);
  });

  test('begins without Redis, and follows once it is there', async () => {
    const ownerId = uuidv7();
    log.commit(ownerId, 2);
    await redis.kill();
    const { position, changes } = await openRouter().subscribe(ownerId);
    expect(position).toBe(2);
    log.commit(ownerId, 3);
    await redis.start();
    expect(await take(changes, 3)).toEqual([3, 4, 5]);
    await broker.ready();
    await commitAndPublish(ownerId, 1);
    expect(await take(changes, 1)).toEqual([6]);
  });

  test('does not begin without PostgreSQL, and does later', async () => {
    const ownerId = uuidv7();
    const router = openRouter();
    log.failing = true;
    await expect(router.subscribe(ownerId)).rejects.toThrow('PostgreSQL is away');
    log.failing = false;
    const { changes } = await router.subscribe(ownerId);
    await commitAndPublish(ownerId, 1);
    expect(await take(changes, 1)).toEqual([1]);
  });

  test('finds a lost message that no later one betrays', async () => {
    const ownerId = uuidv7();
    const { changes } = await openRouter({ checkIntervalMs: 20 }).subscribe(ownerId);
    log.commit(ownerId, 2);
    expect(await take(changes, 2)).toEqual([1, 2]);
  });

  test('looks once for lost changes that were deleted meanwhile, and goes on after them', async () => {
    const ownerId = uuidv7();
    let checks = 0;
    const readPositions = (ownerIds: readonly string[]) => {
      checks++;
      return log.readPositions(ownerIds);
    };
    const { changes } = await openRouter({ readPositions, checkIntervalMs: 20 }).subscribe(ownerId);
    log.commit(ownerId, 3);
    log.drop(ownerId, 1, 2, 3);
    await waitFor(() => log.reads === 1);
    const seen = checks;
    await waitFor(() => checks >= seen + 5);
    expect(log.reads).toBe(1);
    await commitAndPublish(ownerId, 1);
    expect(await take(changes, 1)).toEqual([4]);
  });

  test('forgets feeds that nobody watches, and begins them anew', async () => {
    const ownerId = uuidv7();
    const readPositions = vi.fn(log.readPositions);
    const router = openRouter({ readPositions, checkIntervalMs: 20 });
    await waitFor(
      async () => {
        const { changes } = await router.subscribe(ownerId);
        await changes.return();
        return readPositions.mock.calls.length >= 3;
      },
      { what: 'the feed began three times' },
    );
    const { changes } = await router.subscribe(ownerId);
    await commitAndPublish(ownerId, 1);
    expect(await take(changes, 1)).toEqual([1]);
  });

  test('does not forget a feed that is only beginning', async () => {
    const [ownerId, other] = [uuidv7(), uuidv7()];
    const gate = Promise.withResolvers<void>();
    let checks = 0;
    const readPositions = async (ownerIds: readonly string[]) => {
      if (ownerIds.length === 1 && ownerIds[0] === ownerId) await gate.promise;
      else checks++;
      return log.readPositions(ownerIds);
    };
    const router = openRouter({ readPositions, checkIntervalMs: 10 });
    await router.subscribe(other);
    const beginning = router.subscribe(ownerId);
    await waitFor(() => checks >= 5);
    gate.resolve();
    const { changes } = await beginning;
    await commitAndPublish(ownerId, 1);
    expect(await take(changes, 1)).toEqual([1]);
  });

  test('tells which queues have changed, once for all listeners', async () => {
    const router = openRouter();
    const seen: string[][] = [[], []];
    const ends = await Promise.all(seen.map((list) => router.onQueueChange((queues) => list.push(...queues))));
    const ownerId = uuidv7();
    await publish([...log.commit(ownerId, 2, { queue: 'one' }), ...log.commit(ownerId, 1, { queue: 'two' })]);
    await waitFor(() => seen.every(({ length }) => length > 0));
    expect(seen).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ]);
    ends[0]?.();
    await publish(log.commit(ownerId, 1, { queue: 'three' }));
    await waitFor(() => seen[1]?.includes('three'));
    expect(seen[0]).toEqual(['one', 'two']);
  });

  test('ends its subscriptions when it closes', async () => {
    const router = openRouter();
    const { changes } = await router.subscribe(uuidv7());
    const ended = expect(changes.next()).rejects.toThrow('shutting down');
    await router.close(new Error('shutting down'));
    await ended;
  });
});
