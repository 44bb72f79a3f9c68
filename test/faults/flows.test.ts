import { describe, expect, test } from 'vitest';
import { loseEverything, startOwnRedis } from '../support/own-redis.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const CREATE = 'mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id } }';

const LEAVES = Array.from({ length: 30 }, (_, i) => `leaf-${i}`);
/** A root, thirty that wait for it, one that waits for them; and one that fails, with what becomes of those behind it. */
const TASKS = [
  { name: 'root', type: 'sleep', payload: { ms: 20 } },
  ...LEAVES.map((name) => ({ name, type: 'sleep', payload: { ms: 5 }, dependsOn: ['root'] })),
  { name: 'join', type: 'echo', dependsOn: LEAVES },
  { name: 'broken', type: 'fail', payload: { message: 'no' }, maxAttempts: 1, dependsOn: ['root'] },
  { name: 'doomed', type: 'echo', dependsOn: ['broken', 'join'] },
  { name: 'below', type: 'echo', dependsOn: ['doomed'] },
  { name: 'rescue', type: 'echo', dependsOn: ['below', 'join'], onParentFailure: 'RUN' },
];
const OF_EACH = { COMPLETED: 33, FAILED: 1, CANCELLED: 2 };
const timesOf = (flows: number) =>
  Object.fromEntries(Object.entries(OF_EACH).map(([status, count]) => [status, flows * count]));

const createFlows = async (system: System, count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await system.graphql(CREATE, { input: { name: `flow-${i}`, tasks: TASKS } });
};
const untilSomeCompleted = (system: System, count: number) =>
  waitFor(async () => ((await system.countByStatus()).COMPLETED ?? 0) > count, {
    what: 'it is in the middle',
    timeoutMs: 30_000,
  });
/** Each child was told of all its parents, in its own row. */
const countUntold = async ({ app }: System): Promise<bigint> => {
  const [row] = await app.database.$queryRaw<[{ count: bigint }]>`
    SELECT count(*) FROM tasks t WHERE status = 'COMPLETED' AND (SELECT count(*) FROM task_dependencies WHERE child_id = t.id)
      <> (SELECT count(*) FROM json_object_keys(coalesce(t.parent_results, '{}')))`;
  return row.count;
};
const leftOver = async ({ app }: System) => [
  await app.database.endedParent.count(),
  await app.database.pendingDependency.count(),
];

describe('managers die while they set tasks free', () => {
  test('every flow ends as it should, and nothing happens twice', { timeout: 150_000 }, async () => {
    await using system = await startSystem();
    const managers = [await system.start('manager'), await system.start('manager')];
    await system.start('worker');
    const ROUNDS = 4;
    const FLOWS = 8;
    for (let round = 0; round < ROUNDS; round++) {
      const before = (await system.countByStatus()).COMPLETED ?? 0;
      await createFlows(system, FLOWS);
      await untilSomeCompleted(system, before + 20);
      await managers.shift()?.kill('SIGKILL');
      managers.push(await system.start('manager'));
    }
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual(timesOf(ROUNDS * FLOWS));
    expect(await countUntold(system)).toBe(0n);
    await waitFor(async () => (await leftOver(system)).every((count) => count === 0), { what: 'all is dealt with' });
  });
});

describe('Redis loses everything while tasks wait for others', () => {
  test('every flow ends as it should, and children still know of their parents', { timeout: 150_000 }, async () => {
    await using redis = await startOwnRedis();
    await using system = await startSystem({ redis });
    await system.start('manager');
    await system.start('worker');
    const FLOWS = 12;
    await createFlows(system, FLOWS);
    for (const completed of [20, 150]) {
      await untilSomeCompleted(system, completed);
      await loseEverything(system.app.broker);
    }
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual(timesOf(FLOWS));
    expect(await countUntold(system)).toBe(0n);
  });
});
