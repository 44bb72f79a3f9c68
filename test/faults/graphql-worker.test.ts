import { describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

const CLAIM = 'mutation ($input: ClaimTasksInput!) { claimTasks(input: $input) { id token attempt payload } }';
const COMPLETE =
  'mutation ($results: [CompletedTaskInput!]!) { completeTasks(workerId: "w1", results: $results) { lost } }';

interface Claimed {
  id: string;
  token: string;
  attempt: number;
  payload: unknown;
}

// What it has claimed is lost to it when a primary fails, and here it may lose nothing, or once exactly.
describe.skipIf(primariesFail())('a worker without Redis', () => {
  test('runs a thousand tasks, each once, beside a worker with Redis', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const claimAll = async (): Promise<number> => {
      const input = { workerId: 'w1', types: ['echo'], limit: 100, leaseMs: 60_000 };
      const { claimTasks } = await system.graphql<{ claimTasks: Claimed[] }>(CLAIM, { input });
      const results = claimTasks.map(({ id, token, payload }) => ({ id, token, result: payload }));
      const { completeTasks } = await system.graphql<{ completeTasks: { lost: string[] } }>(COMPLETE, { results });
      expect(completeTasks.lost).toEqual([]);
      return claimTasks.length;
    };
    await system.submit(1_000, 'echo', { n: 1 });
    // Until the manager has opened the shards, there is nothing to claim from.
    let done = await waitFor(() => claimAll().catch(() => 0), { what: 'the first tasks are claimed' });
    while (done < 200) done += await claimAll();
    await system.start('worker');
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 1_000 });
    const mine = await system.app.database.task.findMany({ where: { workerId: 'w1' }, take: 1 });
    expect(mine).toMatchObject([{ result: { n: 1 }, status: 'COMPLETED' }]);
  });

  test('loses its task when it falls silent, and cannot end it any more', { timeout: 90_000 }, async () => {
    await using system = await startSystem();
    await system.start('manager');
    const claim = async (workerId: string): Promise<Claimed> =>
      waitFor(
        async () => {
          const input = { workerId, types: ['echo'], leaseMs: 1_000 };
          return (await system.graphql<{ claimTasks: Claimed[] }>(CLAIM, { input })).claimTasks[0];
        },
        { what: `${workerId} has the task`, timeoutMs: 20_000 },
      );
    await system.submit(1, 'echo', 'x');
    const first = await claim('w1');
    const second = await claim('w2');
    expect(second).toMatchObject({ id: first.id, attempt: 2 });
    const complete = async ({ id, token }: Claimed) =>
      (await system.graphql<{ completeTasks: { lost: string[] } }>(COMPLETE, { results: [{ id, token, result: 1 }] }))
        .completeTasks.lost;
    expect(await complete(first)).toEqual([first.id]);
    expect(await complete(second)).toEqual([]);
    expect(await system.settle()).toEqual([]);
  });
});
