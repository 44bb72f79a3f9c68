import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { missing } from '../../../src/broker/calls.ts';
import type { Shard } from '../../../src/broker/lanes.ts';
import { inChunks } from '../../../src/tasks/enqueue-tasks.ts';
import { Epochs } from '../../../src/tasks/epochs.ts';
import { resolveDependencies } from '../../../src/tasks/resolve-dependencies.ts';
import type { Task } from '../../../src/tasks/task-store.ts';
import { TaskWriter } from '../../../src/tasks/task-writer.ts';
import { recordAll, recordWhatContinues } from '../../../workers/manager/record-store.ts';
import { Dependents } from '../../support/dependencies.ts';
import { type Factory, silent } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { findContradictions } from '../../support/invariants.ts';
import { beginTestTerm } from '../../support/leading.ts';
import { completion, transitionOf } from '../../support/transitions.ts';

let app: FactoryApp;
let factory: Factory;
let dependents: Dependents;
let shard: Shard;

beforeEach(async () => {
  app = await setupFactory();
  factory = app.factory;
  dependents = new Dependents(app, factory);
  [shard] = app.broker.low.shards as [Shard];
});
afterEach(() => app.close());

const submit = (...parents: Task[]): Promise<Task> =>
  factory.queued({ queue: `q-${uuidv7().slice(-12)}`, dependsOn: parents.map(({ id }) => id) });
const isInBroker = async ({ id }: Task): Promise<boolean> => (await missing(shard, {}, [{ id }])).length === 0;

describe('a shard that lost everything', () => {
  test('gets back children with what they were told of their parents, and none that still waits', async () => {
    const parent = await submit();
    const child = await submit(parent);
    await dependents.end(parent, { result: { kept: true } });
    await dependents.resolve();
    const waiting = await submit(await submit());
    const keys = await shard.lane.redis.keys(`${shard.tag}:*`);
    await shard.lane.redis.del(keys);

    await using t = await beginTestTerm(app, shard);
    expect(await t.reconciler.begin(t.signal)).toBe(true);
    await t.reconciler.rebuild(t.signal);

    expect(await isInBroker(waiting)).toBe(false);
    const held = await dependents.claim(child);
    expect(JSON.parse(held?.parents ?? '')).toEqual({
      [parent.id]: { taskId: parent.id, status: 'COMPLETED', result: { kept: true } },
    });
  });
});

describe('a manager that dies between the commit and the enqueue', () => {
  test('leaves children to the reconciler, which hands them the same', async () => {
    const parent = await submit();
    const child = await submit(parent);
    await dependents.end(parent, { result: 'kept' });
    const epochs = new Epochs(app.broker, 60_000, silent);
    const taskWriter = new TaskWriter(app.database, app.broker, epochs, silent);
    const moveWithin = taskWriter.moveWithin.bind(taskWriter);
    taskWriter.moveWithin = async (...args) => {
      await moveWithin(...args);
      return () => {};
    };
    await resolveDependencies({ database: app.database, taskWriter, logger: silent });
    await taskWriter.close();
    epochs.close();
    expect(await dependents.statuses([child])).toEqual(['QUEUED']);
    expect(await isInBroker(child)).toBe(false);

    await using t = await beginTestTerm(app, shard);
    await t.reconciler.begin(t.signal);
    t.record();
    let restored = 0;
    for (let i = 0; i < 3; i++) {
      // Times are rounded to ms, so what is younger than two of them is left to the next pass.
      await app.database.$queryRaw`SELECT 1 FROM pg_sleep(0.005)`;
      restored += await t.reconciler.runOnce(0, t.signal);
    }
    expect(restored).toBe(1);
    expect((await dependents.claim(child))?.parents).toContain('"result":"kept"');
    expect(await findContradictions(app.database)).toEqual([]);
  });
});

describe('recording', () => {
  test('notes the end of those that others wait for, in the same statement, and says so', async () => {
    const [parent, other] = [await submit(), await submit()];
    await submit(parent);
    await using t = await beginTestTerm(app, shard);
    const begun = await recordAll(app.database, t.term, [transitionOf(parent, 2, 'PROCESSING')]);
    expect(begun.hasEndedParents).toBe(false);
    expect((await recordAll(app.database, t.term, completion(other))).hasEndedParents).toBe(false);
    const ends = [transitionOf(parent, 3, 'FAILED', { data: '{"message":"no"}' })];
    expect((await recordAll(app.database, t.term, ends)).hasEndedParents).toBe(true);
    expect(await app.database.endedParent.findMany({ omit: { id: true } })).toEqual([
      { taskId: parent.id, seq: 3, status: 'FAILED' },
    ]);
    // A new leader that meets them again notes nothing.
    expect((await recordWhatContinues(app.database, t.term, ends)).hasEndedParents).toBe(false);
    expect(await app.database.endedParent.count()).toBe(1);
  });
});

describe('tasks for one call of Redis', () => {
  test('are at most 500, and have at most 16 million characters, unless one alone has more', () => {
    const task = (length: number) => ({ payload: '1', parents: 'x'.repeat(length - 1) });
    expect(inChunks(Array.from({ length: 1_001 }, () => task(1))).map(({ length }) => length)).toEqual([500, 500, 1]);
    const MIB = 1024 * 1024;
    const sizes = [10, 6, 1, 20, 1].map((mib) => task(mib * MIB));
    expect(inChunks(sizes).map((chunk) => chunk.length)).toEqual([2, 1, 1, 1]);
    expect(inChunks([])).toEqual([]);
  });
});
