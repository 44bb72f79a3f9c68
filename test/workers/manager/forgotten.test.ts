import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { claim, complete, missing } from '../../../src/broker/calls.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { type NewTask, toNewTask } from '../../../src/tasks/new-task.ts';
import { submitTasks } from '../../../src/tasks/submit-tasks.ts';
import { TermOverError } from '../../../workers/manager/record-store.ts';
import { type Factory, taskInput } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { findContradictions } from '../../support/invariants.ts';
import { beginTestTerm, type TestTerm } from '../../support/leading.ts';
import { query, waitFor } from '../../support/setup.ts';
import { openEpoch } from '../../support/shard-setup.ts';
import { dumpShard } from '../../support/shard-state.ts';

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
  t = await beginTestTerm(app, shard);
  await t.reconciler.begin(t.signal);
  await factory.epochs.refresh();
});
afterEach(async () => {
  await t[Symbol.asyncDispose]();
  await app.close();
});

const draft = (): NewTask => toNewTask(ownerId, taskInput(), 'input', factory.services.taskRules);

/** A submitter that stops between its commit and its enqueue, and goes on when told. */
const stall = async (...tasks: NewTask[]): Promise<() => Promise<void>> => {
  const { afterCommit } = await factory.writer.writeWithin(app.database, tasks, factory.writer.knownEpochs());
  return async () => {
    afterCommit();
    await factory.writer.close();
  };
};

/** One pass over what was committed before now. */
const pass = async (): Promise<number> => {
  // Times are rounded to ms, so what is younger than two of them is left to the next pass.
  await app.database.$queryRaw`SELECT 1 FROM pg_sleep(0.005)`;
  return t.reconciler.runOnce(0, t.signal);
};
/** A pass, and the moment when it waits for the recorder (or has ended without). */
const passUntilItWaits = () => {
  const recordedUpTo = vi.spyOn(t.recorder, 'recordedUpTo');
  const enqueued = pass();
  const waits = Promise.race([enqueued, waitFor(() => recordedUpTo.mock.calls.length > 0)]);
  return { enqueued, waits };
};
const isAbsent = async ({ id }: { id: string }) => (await missing(shard, {}, [{ id }])).length === 1;
const take = () => claim(shard, { worker: 'w', limit: 100, leaseMs: 60_000, lowFirst: 0, queues: '*', types: 'echo' });
const work = async () => {
  const claims = await take();
  await complete(
    shard,
    { worker: 'w' },
    claims.map(({ id, token }) => ({ id, token, result: '1' })),
  );
  return claims.length;
};
const outbox = () => app.database.outbox.count();
const epoch = async () => Number(await shard.lane.redis.hget(`${shard.tag}:meta`, 'epoch'));

describe('a forgotten submission', () => {
  test('is enqueued within two passes', async () => {
    const tasks = [draft(), draft(), draft()];
    await stall(...tasks);
    t.record();
    expect(await pass()).toBe(0);
    expect(await pass()).toBe(3);
    expect(await dumpShard(shard)).toMatchObject({
      'line:NORMAL|default|echo': { length: 3 },
      counts: { 'default|QUEUED': '3' },
    });
    expect(await outbox()).toBe(0);
    expect(await work()).toBe(3);
    await waitFor(async () => (await factory.task(tasks[0]?.id ?? '')).status === 'COMPLETED');
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('of a scheduled task is scheduled', async () => {
    const runAt = new Date(Date.now() + 3_600_000);
    const task = toNewTask(ownerId, taskInput({ runAt }), 'input', factory.services.taskRules);
    await stall(task);
    await pass();
    expect(await pass()).toBe(1);
    expect(await dumpShard(shard)).toMatchObject({ scheduled: { [task.id]: runAt.getTime() } });
  });

  test('that is young is left alone, and no epoch begins for it', async () => {
    await stall(draft());
    const before = await epoch();
    expect(await t.reconciler.runOnce(60_000, t.signal)).toBe(0);
    expect(await epoch()).toBe(before);
    expect(await outbox()).toBe(1);
  });

  test('costs nothing where there is none', async () => {
    const before = await epoch();
    expect(await pass()).toBe(0);
    expect(await epoch()).toBe(before);
  });

  test('is found by the next leader, whose beginning counts as a pass', async () => {
    const task = draft();
    await stall(task);
    await pass();
    await t[Symbol.asyncDispose]();
    t = await beginTestTerm(app, shard);
    await t.reconciler.begin(t.signal);
    t.record();
    expect(await pass()).toBe(1);
    expect(await isAbsent(task)).toBe(false);
  });

  test('is left to the new leader by an older one', async () => {
    await stall(draft());
    await using newer = await beginTestTerm(app, shard);
    await newer.reconciler.begin(newer.signal);
    const before = await dumpShard(shard);
    await expect(pass()).rejects.toThrow(TermOverError);
    expect(await dumpShard(shard)).toEqual(before);
    expect(await outbox()).toBe(1);
  });
});

describe('a submitter that is late', () => {
  test('by one pass enqueues its task, and the next pass does not do it again', async () => {
    const task = draft();
    const goOn = await stall(task);
    await pass();
    await goOn();
    t.record();
    expect(await pass()).toBe(0);
    expect(await dumpShard(shard)).toMatchObject({
      'line:NORMAL|default|echo': [task.id],
      counts: { 'default|QUEUED': '1' },
    });
    expect(await outbox()).toBe(0);
  });

  test('by two passes is refused, whether the task still waits or has ended', async () => {
    const task = draft();
    const goOn = await stall(task);
    t.record();
    await pass();
    expect(await pass()).toBe(1);
    const waiting = await dumpShard(shard);
    await goOn();
    expect(await dumpShard(shard)).toEqual(waiting);

    expect(await work()).toBe(1);
    await waitFor(async () => (await factory.task(task.id)).status === 'COMPLETED');
    const ended = await dumpShard(shard);
    await goOn();
    expect(await dumpShard(shard)).toEqual(ended);
    expect(await isAbsent(task)).toBe(true);
  });

  test('whose task has ended already, recorded or not, does not make it run again', async () => {
    const [recorded, unrecorded] = [draft(), draft()];
    const goOn = [await stall(recorded), await stall(unrecorded)];
    await pass();
    await goOn[0]?.();
    await app.database.outbox.createMany({ data: [outboxRow(recorded), outboxRow(unrecorded)] });
    await work();
    await t.recorder.drain(t.signal);
    await goOn[1]?.();
    await work();
    await app.database.outbox.createMany({ data: [outboxRow(recorded), outboxRow(unrecorded)] });

    // The stream holds the end of one task, and nothing records it yet: the pass must wait for it.
    const passing = passUntilItWaits();
    await passing.waits;
    t.record();
    expect(await passing.enqueued).toBe(0);
    expect(await pass()).toBe(0);
    for (const task of [recorded, unrecorded]) {
      expect(await isAbsent(task)).toBe(true);
      expect(await factory.task(task.id)).toMatchObject({ status: 'COMPLETED', seq: 3 });
    }
  });

  test('while the second pass waits for the recorder is refused, and the task is enqueued once', async () => {
    const [other] = [await factory.queued({ ownerId }), await take()];
    const task = draft();
    const goOn = await stall(task);
    await pass();
    const passing = passUntilItWaits();
    await passing.waits;
    await goOn();
    expect(await isAbsent(task)).toBe(true);
    t.record();
    expect(await passing.enqueued).toBe(1);
    expect(await dumpShard(shard)).toMatchObject({
      'line:NORMAL|default|echo': [task.id],
      leases: { [other.id]: expect.any(Number) },
    });
  });

  test('keeps what was written after the first pass, though its id lies within the forgotten batch', async () => {
    const [first, between, last] = [draft(), draft(), draft()];
    await stall(first, last);
    await pass();
    await factory.epochs.refresh();
    const goOn = await stall(between);
    t.record();
    expect(await pass()).toBe(2);
    expect(await isAbsent(between)).toBe(true);
    await goOn();
    expect(await isAbsent(between)).toBe(false);
    expect(await dumpShard(shard)).toMatchObject({ counts: { 'default|QUEUED': '3' } });
  });

  test('is judged by the epoch from before its transaction began, however long that took', async () => {
    const key = { idempotencyKey: 'slow' };
    // Somebody else holds the key, so the transaction waits, while two epochs begin and become known.
    const gate = Promise.withResolvers<void>();
    const holding = app.database.$transaction(async (transaction) => {
      await transaction.$executeRaw`
        INSERT INTO idempotency_keys (owner_id, key, task_id, request_hash) VALUES (${ownerId}::uuid, 'slow', gen_random_uuid(), '')`;
      await gate.promise;
      throw new Error('roll back');
    });
    const submitting = submitTasks(factory.services, ownerId, [taskInput(key)]);
    await waitFor(async () => {
      const sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
      return (await query(app.databaseUrl, sql)).length > 0;
    });
    const now = await epoch();
    await openEpoch(shard, now + 2);
    await factory.epochs.refresh();
    gate.resolve();
    await expect(holding).rejects.toThrow('roll back');
    const [task] = await submitting;
    await factory.writer.close();
    expect(await isAbsent(task as NonNullable<typeof task>)).toBe(true);
    expect(await outbox()).toBe(1);
  });
});

let rows = 0;
const outboxRow = ({ id }: NewTask) => ({
  id: id.replace(/.{4}$/, (++rows).toString(16).padStart(4, '0')),
  shardId: 'low:0',
  minId: id,
  maxId: id,
  createdAt: new Date(Date.now() - 60_000),
});
