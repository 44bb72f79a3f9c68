import { describe, expect, inject, test } from 'vitest';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { query, spawnProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

/** Fewer than the processes have: statements of one client run on the connections of others. */
const POOL_SIZE = 4;

const startBehind = async (pgBouncer: PgBouncer): Promise<System> => {
  const system = await startSystem({ pgBouncer });
  await system.start('manager');
  await system.start('manager');
  await system.start('worker');
  return system;
};

describe.skipIf(!hasPgBouncer)('behind PgBouncer in transaction mode', () => {
  test('everything works, with few connections to PostgreSQL', async () => {
    await using pgBouncer = await startPgBouncer(inject('postgresUrl'), POOL_SIZE);
    await using system = await startBehind(pgBouncer);
    const { databaseUrl, env } = system.app;
    const name = new URL(databaseUrl).pathname.slice(1);

    const batches = Array.from({ length: 20 }, (_, i) => system.submit(20, 'echo', { i }, { tags: [`batch-${i}`] }));
    const flow = system.graphql(`mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id } }`, {
      input: {
        name: 'two',
        tasks: [
          { name: 'a', type: 'echo' },
          { name: 'b', type: 'echo', dependsOn: ['a'] },
        ],
      },
    });
    await Promise.all([...batches, flow]);
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 402 });
    // A search sets how PostgreSQL plans it, for its own transaction only.
    const { tasks } = await system.graphql<{ tasks: { edges: object[] } }>(
      '{ tasks(where: { tags: ["batch-7"], status: [COMPLETED] }, first: 50) { edges { node { id } } } }',
    );
    expect(tasks.edges).toHaveLength(20);

    const connections = await query(databaseUrl, 'SELECT pid FROM pg_stat_activity WHERE datname = $1', [name]);
    // The test itself has five, and asks on one more.
    expect(connections.length).toBeLessThanOrEqual(POOL_SIZE + 6);
    for (const command of [['migrate'], ['janitor'], ['payload-index', 'create']])
      expect(await spawnProcess(command, env).exit).toMatchObject({ code: 0 });
  });

  test('all processes go on after it was restarted', async () => {
    await using pgBouncer = await startPgBouncer(inject('postgresUrl'), POOL_SIZE);
    await using system = await startBehind(pgBouncer);
    await system.submit(300, 'sleep', { ms: 50 });
    await waitFor(async () => ((await system.countByStatus()).COMPLETED ?? 0) > 50);
    await pgBouncer.restart();
    await waitFor(() => system.submit(20, 'echo', 1).catch(() => undefined));
    expect(await system.settle()).toEqual([]);
  });
});
