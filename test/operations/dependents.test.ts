import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { claim, complete } from '../../src/broker/calls.ts';
import type { TestUser } from '../support/api.ts';
import {
  carryOut,
  countByStatus,
  type ManagedApi,
  setupManagedApi,
  startPurge,
  submitMany,
  untilEnded,
} from '../support/operating.ts';
import { waitFor } from '../support/setup.ts';

let app: ManagedApi;
let admin: TestUser;
let owner: TestUser;

beforeAll(async () => {
  app = await setupManagedApi();
  admin = await app.admin();
});
afterAll(() => app.close());
beforeEach(async () => {
  owner = await app.user();
});

const countsOf = (queue: string) => countByStatus(app, { ownerId: owner.id, queue });

/** Runs a task that stands alone in its queue, until its end is recorded. */
const finish = async (id: string, queue: string): Promise<void> => {
  const shard = app.broker.shardFor('NORMAL', id);
  const request = { worker: 'w', limit: 1, leaseMs: 60_000, lowFirst: 0, queues: queue, types: 'echo' };
  const held = await waitFor(async () => (await claim(shard, request))[0]);
  await complete(shard, { worker: 'w' }, [{ id: held.id, token: held.token, result: '"done"' }]);
  await waitFor(async () => (await app.factory.task(id)).status === 'COMPLETED');
};

describe('tasks that wait for others', () => {
  test('are cancelled like the rest, and others that wait for them with them', async () => {
    const [parent] = await submitMany(owner, 1, { queue: 'parents' });
    const children = await submitMany(owner, 600, { queue: 'children', dependsOn: [parent] });
    await submitMany(owner, 1, { queue: 'grandchildren', dependsOn: [children[0]] });
    expect(await countsOf('children')).toEqual({ WAITING: 600 });
    const where = { queue: ['children'] };
    const dry = await carryOut(app, owner, 'cancelTasks', where, { dryRun: true });
    const real = await carryOut(app, owner, 'cancelTasks', where);
    for (const each of [dry, real]) expect(each).toMatchObject({ matched: 600, done: 600, skipped: 0 });
    expect(await countsOf('children')).toEqual({ CANCELLED: 600 });
    await waitFor(async () => (await countsOf('grandchildren')).CANCELLED === 1);
    expect(await countsOf('parents')).toEqual({ QUEUED: 1 });
    expect((await app.factory.task(children[0] ?? '')).cancelReason).toEqual({
      reason: 'CANCELLED',
      operationId: real.id,
    });
  });

  test('are purged with their queue, among those that wait in other queues', async () => {
    const [parent] = await submitMany(owner, 1, { queue: 'first' });
    for (let i = 0; i < 3; i++) {
      await submitMany(owner, 400, { queue: 'kept', dependsOn: [parent] });
      await submitMany(owner, 250, { queue: 'purged', dependsOn: [parent] });
      await submitMany(owner, 50, { queue: 'purged' });
    }
    const { id } = await startPurge(admin, 'purged');
    const [later] = await submitMany(owner, 1, { queue: 'purged', dependsOn: [parent] });
    expect(await untilEnded(app, admin, id)).toMatchObject({
      status: 'COMPLETED',
      matched: 900,
      done: 900,
      skipped: 0,
    });
    await waitFor(async () => (await countsOf('purged')).CANCELLED === 900);
    expect(await countsOf('purged')).toEqual({ CANCELLED: 900, WAITING: 1 });
    expect((await app.factory.task(later ?? '')).status).toBe('WAITING');
    expect(await countsOf('kept')).toEqual({ WAITING: 1_200 });
  });
});

describe('a flow of more tasks than are put back at once', () => {
  test('that names children before their parents waits for them again', async () => {
    const leaves = Array.from({ length: 600 }, (_, i) => ({ name: `leaf-${i}`, dependsOn: ['root'] }));
    const tasks = [
      ...leaves.map((leaf) => ({ ...leaf, type: 'echo', queue: 'leaves' })),
      { name: 'root', type: 'echo', queue: 'root' },
    ];
    const { data } = await owner.call(
      'mutation ($input: CreateFlowInput!) { createFlow(input: $input) { tasks { name task { id } } } }',
      { input: { name: 'wide', tasks } },
    );
    const ids = data.createFlow.tasks.map(({ task }: { task: { id: string } }) => task.id);
    await carryOut(app, owner, 'cancelTasks', { ids: ids.slice(-1) });
    await waitFor(async () => (await countsOf('leaves')).CANCELLED === 600);
    const retried = await carryOut(app, owner, 'retryTasks', { queue: ['leaves', 'root'] });
    expect(retried).toMatchObject({ matched: 601, done: 601, skipped: 0 });
    expect(await countsOf('root')).toEqual({ QUEUED: 1 });
    expect(await countsOf('leaves')).toEqual({ WAITING: 600 });
  });
});

describe('a task that others wait for', () => {
  test('is not deleted before they were told of its result', async () => {
    const [first = '', second = ''] = [
      ...(await submitMany(owner, 1, { queue: 'one' })),
      ...(await submitMany(owner, 1, { queue: 'two' })),
    ];
    const [child = ''] = await submitMany(owner, 1, { queue: 'three', dependsOn: [first, second] });
    await finish(first, 'one');
    const where = { ids: [first, second, child] };
    for (const dryRun of [true, false]) {
      expect(await carryOut(app, owner, 'deleteTasks', where, { dryRun })).toMatchObject({ done: 0, skipped: 3 });
    }
    await finish(second, 'two');
    await finish(child, 'three');
    const parents = await app.database.$queryRaw<{ parent_results: Record<string, { result: unknown }> }[]>`
      SELECT parent_results FROM tasks WHERE id = ${child}::uuid`;
    expect(parents[0]?.parent_results[first]?.result).toBe('done');
    expect(await carryOut(app, owner, 'deleteTasks', where)).toMatchObject({ done: 3, skipped: 0 });
    expect(await app.database.taskDependency.count({ where: { childId: child } })).toBe(0);
  });

  test('leaves its flow when it is deleted', async () => {
    const tasks = [
      { name: 'a', type: 'echo', queue: 'flow' },
      { name: 'b', type: 'echo', queue: 'flow-2', dependsOn: ['a'] },
    ];
    const { data } = await owner.call(
      'mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id tasks { task { id } } } }',
      { input: { name: 'f', tasks } },
    );
    await carryOut(app, owner, 'cancelTasks', { queue: ['flow-2'] });
    expect(await carryOut(app, owner, 'deleteTasks', { queue: ['flow-2'] })).toMatchObject({ done: 1 });
    const seen = await owner.call(
      `{ flow(id: "${data.createFlow.id}") { tasks { name } counts { queued cancelled } } }`,
    );
    expect(seen.data.flow).toEqual({ tasks: [{ name: 'a' }], counts: { queued: 1, cancelled: 0 } });
  });
});
