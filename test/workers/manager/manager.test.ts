import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { claim, complete, fail, release } from '../../../src/broker/calls.ts';
import { countsKey, eventsKey, managersKey } from '../../../src/broker/keys.ts';
import type { Broker, Shard } from '../../../src/broker/lanes.ts';
import { RealtimeRouter } from '../../../src/realtime/router.ts';
import { submitTasks } from '../../../src/tasks/submit-tasks.ts';
import { readChanges, readPositions } from '../../../src/tasks/task-store.ts';
import { type Manager, startManager } from '../../../workers/manager/manager.ts';
import { beginTerm } from '../../../workers/manager/reconcile-store.ts';
import { range, take } from '../../support/changes.ts';
import { Factory, silent, taskInput } from '../../support/factory.ts';
import { findContradictions } from '../../support/invariants.ts';
import { query, setup, type TestApp, waitFor } from '../../support/setup.ts';
import { openBroker } from '../../support/shard-setup.ts';

let app: TestApp;
let factory: Factory;
let managers: Manager[];
let brokers: Broker[];

beforeEach(async () => {
  app = await setup({ settings: { LEADER_LEASE_MS: '600', RECONCILE_INTERVAL_MS: '100', LEASE_MS: '1000' } });
  factory = new Factory(app);
  managers = [];
  brokers = [];
});
afterEach(async () => {
  await Promise.all(managers.map((manager) => manager.stop()));
  for (const broker of brokers) broker.close();
  await factory.close();
  await app.close();
});

/** As another process would: with connections of its own. */
const start = (): { manager: Manager; broker: Broker } => {
  const broker = openBroker(app.redisPort, app.config.REDIS_KEY_PREFIX);
  brokers.push(broker);
  const manager = startManager({ broker, database: app.database, config: app.config, logger: silent });
  managers.push(manager);
  return { manager, broker };
};

/** Until there is a leader of each shard, and submitters know its epoch. */
const led = async () => {
  await waitFor(() => managers.flatMap((manager) => manager.leads()).length >= app.broker.shards.length);
  await waitFor(async () => {
    await factory.epochs.refresh();
    return factory.epochs.snapshot().size === app.broker.shards.length;
  });
};

const shares = (list = managers) => list.map((manager) => manager.leads().length);
const submit = (ownerId: string, count: number, priority: 'HIGH' | 'NORMAL' = 'NORMAL') =>
  submitTasks(
    factory.services,
    ownerId,
    Array.from({ length: count }, () => taskInput({ priority })),
  );
const claimFrom = (shard: Shard, limit: number) =>
  claim(shard, { worker: 'w', limit, leaseMs: 60_000, lowFirst: 0, queues: '*', types: 'echo' });

describe('managers', () => {
  test('share the shards evenly, and take over those of one that stops', async () => {
    const one = start();
    await led();
    expect(one.manager.leads()).toEqual(['high:0', 'low:0']);
    const two = start();
    await waitFor(() => shares().join() === '1,1', { what: 'each leads one shard' });
    await two.manager.stop();
    await waitFor(() => one.manager.leads().length === 2);
    expect(await app.broker.high.redis.zrange(managersKey(app.broker.prefix), 0, -1)).toEqual([one.manager.id]);
  });

  test('take over the shards of one that is cut off, which leads nothing any more', async () => {
    const one = start();
    const two = start();
    await waitFor(() => shares().join() === '1,1');
    for (const { redis } of one.broker.lanes) redis.disconnect();
    await waitFor(() => two.manager.leads().length === 2);
    await waitFor(() => one.manager.leads().length === 0);
    await factory.epochs.refresh();
    const [task] = await submit(await factory.owner(), 1);
    await waitFor(async () => (await claimFrom(app.broker.low.shards[0] as Shard, 1)).length === 1);
    await waitFor(async () => (await factory.task(task?.id ?? '')).status === 'PROCESSING');
  });

  test('make partitions ahead', async () => {
    await query(
      app.databaseUrl,
      `DO $$ DECLARE name text; BEGIN
      FOR name IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent IN ('tasks'::regclass, 'task_events'::regclass)
        AND inhrelid::regclass::text NOT LIKE '%default' LOOP EXECUTE 'DROP TABLE ' || name; END LOOP; END $$`,
    );
    start();
    const count = `SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = 'tasks'::regclass`;
    await waitFor(async () => (await query<{ n: number }>(app.databaseUrl, count))[0]?.n === 10);
  });

  test('a paused one writes nothing when it comes back: its term is over', async () => {
    const paused = start();
    await led();
    const shard = app.broker.low.shards[0] as Shard;
    const [task] = await submit(await factory.owner(), 1);
    // Another leader, as the paused one would find it.
    await shard.lane.redis.set(`${shard.tag}:leader`, 'other', 'PX', 60_000);
    await beginTerm(app.database, shard.id);
    await waitFor(async () => (await claimFrom(shard, 1)).length === 1);
    await waitFor(() => !paused.manager.leads().includes('low:0'));
    expect(await factory.task(task?.id ?? '')).toMatchObject({ status: 'QUEUED', seq: 1 });
    expect(await shard.lane.redis.xlen(eventsKey(shard.tag))).toBe(1);
  });

  test('put everything back after Redis lost all, while tasks wait and run', async () => {
    start();
    await led();
    const shard = app.broker.low.shards[0] as Shard;
    const ownerId = await factory.owner();
    const tasks = await submit(ownerId, 300);
    await waitFor(async () => (await claimFrom(shard, 100)).length === 100);
    const keys = await shard.lane.redis.keys(`${shard.tag}:*`);
    await shard.lane.redis.del(keys);
    let done = 0;
    await waitFor(async () => {
      const claims = await claimFrom(shard, 50).catch(() => []);
      await complete(
        shard,
        { worker: 'w' },
        claims.map(({ id, token }) => ({ id, token, result: '1' })),
      );
      done += claims.length;
      return done === 300;
    });
    await waitFor(
      async () => (await app.database.task.count({ where: { ownerId, status: 'COMPLETED' } })) === tasks.length,
    );
    expect(await findContradictions(app.database)).toEqual([]);
    expect(await shard.lane.redis.exists(countsKey(shard.tag))).toBe(0);
  });
});

describe('two recorders and many submitters at once', () => {
  test('keep the feeds dense and in order, without deadlocks, and every owner sees each change once', async () => {
    start();
    start();
    await led();
    const router = new RealtimeRouter(app.broker, {
      readChanges: (owner, after, limit) => readChanges(app.database, owner, after, limit),
      readPositions: (owners) => readPositions(app.database, owners),
      subscriberBuffer: 100_000,
      logger: silent,
    });
    const owners = await Promise.all(Array.from({ length: 4 }, () => factory.owner()));
    const feeds = await Promise.all(owners.map((owner) => router.subscribe(owner)));
    const each = 300;
    const submitting = Promise.all(
      Array.from({ length: each / 10 }, async (_, i) => {
        for (const owner of owners) await submit(owner, 10, i % 2 === 0 ? 'HIGH' : 'NORMAL');
      }),
    );
    let isOver = false;
    const work = async (shard: Shard) => {
      for (let round = 0; !isOver; round++) {
        const claims = await claimFrom(shard, 37);
        const part = (n: number) => claims.filter((_, i) => i % 3 === n).map(({ id, token }) => ({ id, token }));
        if (round % 5 === 4) await release(shard, { worker: 'w' }, part(0));
        else
          await complete(
            shard,
            { worker: 'w' },
            part(0).map((held) => ({ ...held, result: '1' })),
          );
        await complete(
          shard,
          { worker: 'w' },
          part(1).map((held) => ({ ...held, result: '{"a":1}' })),
        );
        await fail(
          shard,
          { worker: 'w' },
          part(2).map((held) => ({ ...held, error: '{}', retry: 0, delayMs: '' })),
        );
      }
    };
    const working = Promise.all(app.broker.shards.flatMap((shard) => [work(shard), work(shard)]));
    await submitting;
    const unfinished = () => app.database.task.count({ where: { finishedAt: null } });
    await waitFor(async () => (await unfinished()) === 0, { what: 'all tasks have ended' });
    isOver = true;
    await working;
    expect(await findContradictions(app.database)).toEqual([]);
    const { _sum } = await app.database.queueMinute.aggregate({ _sum: { completed: true, failed: true } });
    const count = (status: 'COMPLETED' | 'FAILED') => app.database.task.count({ where: { status } });
    expect(_sum).toEqual({ completed: await count('COMPLETED'), failed: await count('FAILED') });
    const lasts = await readPositions(app.database, owners);
    for (const [i, { changes }] of feeds.entries()) {
      const last = lasts.get(owners[i] as string) ?? 0;
      expect(await take(changes, last)).toEqual(range(1, last));
    }
    const [{ deadlocks }] = (await query<{ deadlocks: number }>(
      app.databaseUrl,
      'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
    )) as [{ deadlocks: number }];
    expect(deadlocks).toBe(0);
    await router.close(new Error('the test is over'));
  });

  test('count what ended in a queue’s minutes without locking each other out', async () => {
    const warn = vi.spyOn(silent, 'warn');
    start();
    start();
    await led();
    const ownerId = await factory.owner();
    await Promise.all((['HIGH', 'NORMAL'] as const).map((priority) => submit(ownerId, 400, priority)));
    const drain = async (shard: Shard) => {
      for (let done = 0; done < 400; ) {
        const claims = await claimFrom(shard, 20);
        await complete(
          shard,
          { worker: 'w' },
          claims.map(({ id, token }) => ({ id, token, result: '1' })),
        );
        done += claims.length;
      }
    };
    await Promise.all(app.broker.shards.map(drain));
    await waitFor(async () => (await app.database.task.count({ where: { finishedAt: null } })) === 0);
    const { _sum } = await app.database.queueMinute.aggregate({ _sum: { completed: true } });
    expect(_sum.completed).toBe(800);
    expect(warn.mock.calls.filter(([, text]) => String(text).includes('could not record'))).toEqual([]);
    warn.mockRestore();
  });
});
