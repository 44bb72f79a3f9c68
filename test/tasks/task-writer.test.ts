import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { missing } from '../../src/broker/calls.ts';
import { metaKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import type { Database } from '../../src/database/client.ts';
import { sqlState } from '../../src/database/client.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import { TaskWriter } from '../../src/tasks/task-writer.ts';
import { Factory, silent, taskInput } from '../support/factory.ts';
import { type FactoryApp, setupFactory } from '../support/factory-app.ts';
import { findContradictions } from '../support/invariants.ts';
import { query, setup, startPrivateRedis, waitFor } from '../support/setup.ts';
import { openEpoch } from '../support/shard-setup.ts';

let app: FactoryApp;
let factory: Factory;
let low: Shard;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  [low] = app.broker.low.shards as [Shard];
});
afterAll(() => app.close());

/** A client that counts its raw statements. */
const counting = (database: Database) => {
  const count = { statements: 0 };
  const proxy = new Proxy(database, {
    get: (target, name) => {
      if (name === '$queryRaw' || name === '$executeRaw') count.statements++;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { count, database: proxy };
};

const countTasks = (ownerId: string, database = app.database) => database.task.count({ where: { ownerId } });

describe('submitting', () => {
  test('by a thousand callers at once takes a handful of statements and calls of Redis', async () => {
    const ownerId = await factory.owner();
    const { count, database } = counting(app.database);
    const writer = new TaskWriter(database, app.broker, factory.epochs, silent);
    const fcall = vi.spyOn(app.broker.low.redis, 'fcall');

    const services = { ...factory.services, taskWriter: writer };
    const tasks = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => submitTasks(services, ownerId, [taskInput({ payload: n })])),
    );
    await waitFor(
      async () =>
        (
          await missing(
            low,
            {},
            tasks.flat().map(({ id }) => ({ id })),
          )
        ).length === 0,
    );

    expect(count.statements).toBeLessThanOrEqual(5);
    expect(fcall.mock.calls.filter(([name]) => name === 'tf1_enqueue').length).toBeLessThanOrEqual(6);
    fcall.mockRestore();
    expect(tasks.flat().map(({ payload }) => payload)).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
    expect(await countTasks(ownerId)).toBe(1_000);
    expect(await findContradictions(app.database)).toEqual([]);
    await writer.close();
  });

  test('gives each caller the task as PostgreSQL has it', async () => {
    const ownerId = await factory.owner();
    const runAt = new Date(Date.now() + 3_600_000);
    const inputs = [
      taskInput({ payload: { b: 1, a: [null, 'ключ 🦀'] }, priority: 'HIGH' }),
      taskInput({ payload: 'later', runAt, timeoutMs: 5_000, tags: ['one', 'two "quoted", \\ and {braces}', 'три'] }),
      taskInput({ payload: null, priority: 'LOW', queue: 'other', maxAttempts: 1, type: 'mail' }),
    ];
    const tasks = await submitTasks(factory.services, ownerId, inputs);
    for (const task of tasks) expect(await factory.task(task.id)).toEqual(task);
    expect(tasks[1]).toMatchObject({ status: 'SCHEDULED', runAt, seq: 1, attempt: 0 });
    const events = await app.database.taskEvent.findMany({ where: { ownerId }, orderBy: { position: 'asc' } });
    expect(events.map(({ taskId, seq, position, status }) => [taskId, seq, position, status])).toEqual(
      tasks.map(({ id, status }, i) => [id, 1, BigInt(i + 1), status]),
    );
  });

  test('does not wait for the statement of somebody else that is held up', async () => {
    const [held, other] = [await factory.owner(), await factory.owner()];
    const gate = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = app.database.$transaction(async (transaction) => {
      await transaction.$queryRaw`SELECT 1 FROM owner_feeds WHERE owner_id = ${held}::uuid FOR UPDATE`;
      locked.resolve();
      await gate.promise;
    });
    await locked.promise;
    const waits = submitTasks(factory.services, held, [taskInput()]);
    await waitFor(async () => {
      const sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
      return (await query(app.databaseUrl, sql)).length > 0;
    });
    for (let n = 0; n < 3; n++) await submitTasks(factory.services, other, [taskInput()]);
    expect([await countTasks(held), await countTasks(other)]).toEqual([0, 3]);
    gate.resolve();
    await holding;
    await waits;
    expect(await countTasks(held)).toBe(1);
  });

  test("does not fail for one caller's fault in the same statement", async () => {
    const [ownerId, gone] = [await factory.owner(), uuidv7()];
    const owners = [ownerId, gone, ownerId, gone, ownerId];
    const outcomes = await Promise.allSettled(
      owners.map((owner) => submitTasks(factory.services, owner, [taskInput()])),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    const [, refused] = outcomes;
    expect(sqlState(refused?.status === 'rejected' ? refused.reason : undefined)).toBe('22012');
    expect([await countTasks(ownerId), await countTasks(gone)]).toEqual([3, 0]);
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('takes ten thousand in one call, and refuses one more', async () => {
    const ownerId = await factory.owner();
    const inputs = Array.from({ length: 10_000 }, (_, n) => taskInput({ payload: n }));
    const tasks = await submitTasks(factory.services, ownerId, inputs);
    expect(tasks.map(({ payload }) => payload)).toEqual(inputs.map(({ payload }) => payload));
    await waitFor(
      async () =>
        (
          await missing(
            low,
            {},
            tasks.map(({ id }) => ({ id })),
          )
        ).length === 0,
    );
    const details = { field: 'inputs', limit: 10_000 };
    const oneMore = submitTasks(factory.services, ownerId, [...inputs, taskInput()]);
    await expect(oneMore).rejects.toMatchObject({ code: 'BAD_USER_INPUT', details });
    expect(await countTasks(ownerId)).toBe(10_000);
    expect(await submitTasks(factory.services, ownerId, [])).toEqual([]);
  });

  test('writes nothing when one of many inputs is wrong', async () => {
    const ownerId = await factory.owner();
    const inputs = [taskInput(), taskInput({ queue: 'NO' })];
    await expect(submitTasks(factory.services, ownerId, inputs)).rejects.toMatchObject({
      details: { field: 'inputs.1.queue' },
    });
    expect(await countTasks(ownerId)).toBe(0);
  });

  test('keeps the positions of many owners dense when they submit at the same time', async () => {
    const owners = await Promise.all(Array.from({ length: 10 }, () => factory.owner()));
    const writers = [1, 2, 3].map(() => new TaskWriter(app.database, app.broker, factory.epochs, silent));
    await Promise.all(
      writers.flatMap((taskWriter) =>
        Array.from({ length: 200 }, (_, i) =>
          submitTasks({ ...factory.services, taskWriter }, owners[(i * 7) % 10] as string, [
            taskInput(),
            taskInput({ priority: 'HIGH' }),
          ]),
        ),
      ),
    );
    expect(await findContradictions(app.database)).toEqual([]);
    await Promise.all(writers.map((writer) => writer.close()));
  });
});

describe('the outbox', () => {
  const outbox = (database = app.database) => database.outbox.findMany();

  test('is empty a while after Redis has the tasks', async () => {
    await submitTasks(factory.services, await factory.owner(), [taskInput(), taskInput({ priority: 'HIGH' })]);
    await waitFor(async () => (await outbox()).length === 0, { what: 'the outbox is empty' });
  });

  test('loses the rows of many batches with one statement', async () => {
    const { count, database } = counting(app.database);
    const writer = new TaskWriter(database, app.broker, factory.epochs, silent);
    const [ownerId, services] = [await factory.owner(), { ...factory.services, taskWriter: writer }];
    const startedAt = performance.now();
    for (let i = 0; i < 20; i++) await submitTasks(services, ownerId, [taskInput()]);
    const tenths = Math.ceil((performance.now() - startedAt) / 100);
    await waitFor(async () => (await outbox()).length === 0, { what: 'the outbox is empty' });
    await writer.close();
    expect(count.statements).toBeGreaterThan(20);
    expect(count.statements).toBeLessThanOrEqual(20 + tenths + 1);
  });

  test('keeps what could not be enqueued because the epoch is too old', async () => {
    await openEpoch(low, 3);
    const [task] = await submitTasks(factory.services, await factory.owner(), [taskInput()]);
    await factory.writer.close();
    const id = task?.id ?? '';
    expect(await missing(low, {}, [{ id }])).toEqual([id]);
    expect(await outbox()).toMatchObject([{ shardId: 'low:0', minId: id, maxId: id }]);
    await factory.epochs.refresh();
    await app.database.outbox.deleteMany();
  });

  test('keeps what a server took that had been replaced already', async () => {
    const [ownerId, database] = [await factory.owner(), app.database];
    const writer = new TaskWriter(database, app.broker, factory.epochs, silent);
    await submitTasks({ ...factory.services, taskWriter: writer }, ownerId, [
      taskInput(),
      taskInput({ priority: 'HIGH' }),
    ]);
    // Its successor was found, and the shard rebuilt from PostgreSQL, without this submitter having heard of it.
    const where = { id: 'low:0' };
    const epoch = Number(await app.broker.low.redis.hget(metaKey(low.tag), 'epoch'));
    const { epoch: before } = await database.shard.findUniqueOrThrow({ where });
    await database.shard.update({ where, data: { epoch: epoch + 2 } });
    await writer.close();
    expect(await outbox()).toMatchObject([{ shardId: 'low:0' }]);
    await database.shard.update({ where, data: { epoch: epoch + 1 } });
    await submitTasks(factory.services, ownerId, [taskInput()]);
    await waitFor(async () => (await outbox()).length === 1, { what: 'what came later is not kept' });
    await database.outbox.deleteMany();
    await database.shard.update({ where, data: { epoch: before } });
  });

  test('keeps what was submitted before any epoch was known', async () => {
    await app.broker.low.redis.rename(`${low.tag}:meta`, `${low.tag}:meta-aside`);
    await factory.epochs.refresh();
    const [task] = await submitTasks(factory.services, await factory.owner(), [taskInput()]);
    await factory.writer.close();
    expect(await outbox()).toMatchObject([{ shardId: 'low:0', minId: task?.id }]);
    await app.broker.low.redis.rename(`${low.tag}:meta-aside`, `${low.tag}:meta`);
    await factory.epochs.refresh();
    await app.database.outbox.deleteMany();
  });

  test('keeps everything while Redis is away, and submitting goes on', async () => {
    await using redis = await startPrivateRedis();
    await using own = await setup({ redis });
    const mine = new Factory(own);
    await mine.openShards();
    const ownerId = await mine.owner();
    await redis.kill();
    const tasks = await Promise.all(
      [1, 2, 3].map((n) => submitTasks(mine.services, ownerId, [taskInput({ payload: n })])),
    );
    await mine.close();
    expect(tasks.flat()).toHaveLength(3);
    expect(await countTasks(ownerId, own.database)).toBe(3);
    const [row, ...more] = await outbox(own.database);
    expect(more).toEqual([]);
    const ids = tasks
      .flat()
      .map(({ id }) => id)
      .sort();
    expect(row).toMatchObject({ shardId: 'low:0', minId: ids[0], maxId: ids[2] });
  });
});
