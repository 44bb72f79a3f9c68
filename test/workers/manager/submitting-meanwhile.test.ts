import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { claim, complete, missing } from '../../../src/broker/calls.ts';
import { metaKey } from '../../../src/broker/keys.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { type NewTask, toNewTask } from '../../../src/tasks/new-task.ts';
import { retryTask } from '../../../src/tasks/retry-tasks.ts';
import { submitTasks } from '../../../src/tasks/submit-tasks.ts';
import { type Factory, taskInput } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { findContradictions } from '../../support/invariants.ts';
import { beginTestTerm, type TestTerm } from '../../support/leading.ts';
import { waitFor } from '../../support/setup.ts';
import { openEpoch } from '../../support/shard-setup.ts';

let app: FactoryApp;
let factory: Factory;
let shard: Shard;
let ownerId: string;
let t: TestTerm;

beforeEach(async () => {
  app = await setupFactory();
  factory = app.factory;
  [shard] = app.broker.low.shards as [Shard];
  ownerId = await factory.owner();
});
afterEach(async () => {
  await t[Symbol.asyncDispose]();
  await app.close();
});

/** The shard loses all, and is rebuilt: from its epoch 1 to its epoch 3, which the submitter does not know. */
const rebuild = async (): Promise<void> => {
  await shard.redis.del(await shard.redis.keys(`${shard.tag}:*`));
  t = await beginTestTerm(app, shard);
  await t.reconciler.begin(t.signal);
  await t.reconciler.rebuild(t.signal);
};
const draft = (): NewTask => toNewTask(ownerId, taskInput(), 'input', factory.services.taskRules);
const drafts = (count: number): NewTask[] => Array.from({ length: count }, draft);
/** Submits a task, and waits until Redis has it or has refused it. */
const submit = async (): Promise<{ id: string }> => {
  const [task] = await submitTasks(factory.services, ownerId, [taskInput()]);
  await factory.writer.close();
  return task as { id: string };
};
const absent = async (...tasks: readonly { id: string }[]) => (await missing(shard, {}, tasks)).length;
const outbox = () => app.database.outbox.count();
const knownEpoch = () => factory.epochs.snapshot().get(shard.id);
/** Ends all that waits. @returns how many */
const work = async (): Promise<number> => {
  const limits = { limit: 1_000, leaseMs: 60_000, lowFirst: 0 };
  const claims = await claim(shard, { worker: 'w', ...limits, queues: '*', types: 'echo' });
  const results = claims.map(({ id, token }) => ({ id, token, result: '1' }));
  await complete(shard, { worker: 'w' }, results);
  return claims.length;
};
const enqueues = () => {
  const fcall = vi.spyOn(shard.redis, 'fcall');
  return () => fcall.mock.calls.filter(([name]) => name === 'tf1_enqueue').length;
};

/** A transaction that has begun, and written, and commits when told to. */
const beginTransaction = async (task: NewTask) => {
  const [written, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const epochs = factory.writer.knownEpochs();
  const ended = app.database.$transaction(
    async (transaction) => {
      const { afterCommit } = await factory.writer.writeWithin(transaction, [task], epochs);
      written.resolve();
      await gate.promise;
      return afterCommit;
    },
    { timeout: 30_000 },
  );
  await written.promise;
  return async (): Promise<void> => {
    gate.resolve();
    (await ended)();
    await factory.writer.close();
  };
};

describe('a submitter that has not heard of the rebuilding', () => {
  test('is taken at once with what it began to write since, and knows the epoch from then on', async () => {
    await rebuild();
    const count = enqueues();
    expect(knownEpoch()).toBe('1');
    expect(await absent(await submit())).toBe(0);
    expect(count()).toBe(2);
    expect(knownEpoch()).toBe('3');
    expect(await absent(await submit())).toBe(0);
    expect(count()).toBe(3);
    expect(await outbox()).toBe(0);
  });

  test('is taken at once with a task that it retries', async () => {
    const failed = await factory.failed({ ownerId });
    await rebuild();
    await retryTask(factory.services, ownerId, failed.id);
    await factory.writer.close();
    expect(await absent(failed)).toBe(0);
    expect(await outbox()).toBe(0);
  });

  test('is taken at once, too, where it found no epoch while there was none', async () => {
    await shard.redis.rename(metaKey(shard.tag), `${shard.tag}:aside`);
    await factory.epochs.refresh();
    expect(knownEpoch()).toBeUndefined();
    await rebuild();
    expect(await absent(await submit())).toBe(0);
    expect(knownEpoch()).toBe('3');
    expect(await outbox()).toBe(0);
  });

  test('does not put back what the rebuilding has, which ended meanwhile', async () => {
    const task = draft();
    const { afterCommit } = await factory.writer.writeWithin(app.database, [task], factory.writer.knownEpochs());
    await rebuild();
    t.record();
    expect(await work()).toBe(1);
    afterCommit();
    await factory.writer.close();
    expect(await absent(task)).toBe(1);
    await waitFor(async () => (await factory.task(task.id)).status === 'COMPLETED');
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('gives again only what was refused of a batch, since the rest may have ended', async () => {
    await rebuild();
    t.record();
    await factory.epochs.refresh();
    const tasks = drafts(600);
    // PostgreSQL has begun two epochs more when they are written; Redis hears of the second between the two calls.
    await app.database.shard.update({ where: { id: shard.id }, data: { epoch: 5, epochAt: new Date(0) } });
    await openEpoch(shard, 4);
    const { afterCommit } = await factory.writer.writeWithin(app.database, tasks, factory.writer.knownEpochs());
    const fcall = shard.redis.fcall.bind(shard.redis) as (...args: unknown[]) => Promise<unknown>;
    const epochs: unknown[] = [];
    const first = Promise.withResolvers<void>();
    vi.spyOn(shard.redis, 'fcall').mockImplementation(async (...args: unknown[]) => {
      if (args[0] !== 'tf1_enqueue') return fcall(...args);
      const isSecond = epochs.push(args[3]) === 2;
      if (isSecond) {
        await first.promise;
        expect(await work()).toBe(500);
        await openEpoch(shard, 5);
      }
      return fcall(...args).finally(first.resolve);
    });
    afterCommit();
    await factory.writer.close();
    expect(epochs).toEqual(['3', '3', '5']);
    expect(await absent(...tasks)).toBe(500);
    expect(await absent(...tasks.slice(500))).toBe(0);
  });
});

describe('a submitter whose transaction began before the rebuilding and ended after it', () => {
  test('is refused, and the first pass enqueues its task', async () => {
    const task = draft();
    const commit = await beginTransaction(task);
    await rebuild();
    t.record();
    await commit();
    expect(await absent(task)).toBe(1);
    expect(await outbox()).toBe(1);
    expect(await t.reconciler.runOnce(0, t.signal)).toBe(1);
    expect(await absent(task)).toBe(0);
    expect(await outbox()).toBe(0);
  });

  test('does not wait for the interval between two passes', async () => {
    const task = draft();
    const commit = await beginTransaction(task);
    await rebuild();
    t.record();
    const running = t.reconciler.run(3_600_000, t.signal, { afterRebuild: true });
    await commit();
    expect(await absent(task)).toBe(1);
    await waitFor(async () => (await absent(task)) === 0, { what: 'the task is in Redis' });
    await t[Symbol.asyncDispose]();
    await running;
  });
});
