import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { spawnProcess, startPrivatePostgres, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

const CREATE = 'mutation { createTask(input: { type: "echo" }) { id } }';

/** Takes every connection that the server allows, also those that others have, and keeps them. */
const takeAllConnections = async (url: string): Promise<pg.Client[]> => {
  const held: pg.Client[] = [];
  const takeFree = async (): Promise<void> => {
    for (;;) {
      const client = new pg.Client({ connectionString: url, application_name: 'taker' });
      client.on('error', () => {});
      try {
        await client.connect();
      } catch (error) {
        expect(error).toMatchObject({ code: '53300' });
        return;
      }
      held.push(client);
    }
  };
  const endOthers = async (): Promise<boolean> => {
    const { rows } = await (held[0] as pg.Client).query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND application_name <> 'taker'`,
    );
    await takeFree();
    return rows.length === 0;
  };
  await takeFree();
  await waitFor(endOthers, { what: 'nobody else has a connection' });
  return held;
};

const codeOf = async (url: string, token: string): Promise<string> => {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: CREATE }),
  });
  const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] };
  return errors?.[0]?.extensions.code ?? 'none';
};

// A shard whose primary failed is rebuilt from PostgreSQL: nothing runs while both are away.
describe.skipIf(primariesFail())('PostgreSQL is down for ten seconds', () => {
  test('submissions are UNAVAILABLE, running tasks go on and are recorded afterwards', {
    timeout: 150_000,
  }, async () => {
    await using postgres = await startPrivatePostgres();
    await using system = await startSystem({ postgres });
    await system.start('manager');
    await system.start('worker');
    await system.submit(500, 'sleep', { ms: 200 });
    await waitFor(async () => ((await system.countByStatus()).COMPLETED ?? 0) > 50, { what: 'it is in the middle' });
    await postgres.kill();
    const downUntil = performance.now() + 10_000;
    const answers = new Set<string>();
    const times: number[] = [];
    while (performance.now() < downUntil) {
      const askedAt = performance.now();
      answers.add(await codeOf(system.url, system.token));
      times.push(performance.now() - askedAt);
    }
    expect([...answers]).toEqual(['UNAVAILABLE']);
    // DATABASE_TIMEOUT_MS is 2,000 here.
    expect(Math.max(...times)).toBeLessThan(4_000);
    await postgres.start();
    expect(await system.settle()).toEqual([]);
    const [first] = await system.app.database.$queryRaw<
      { at: Date }[]
    >`SELECT max(at) AS at FROM task_events WHERE status = 'COMPLETED'`;
    expect(first?.at.getTime()).toBeLessThan(performance.timeOrigin + downUntil);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 500 });
  });
});

describe('PostgreSQL has no connection left', () => {
  test('everybody says so and goes on when there are some', { timeout: 90_000 }, async () => {
    await using postgres = await startPrivatePostgres({ max_connections: '25' });
    await using system = await startSystem({ postgres });
    const manager = await system.start('manager');
    await system.start('worker');
    await system.submit(20, 'echo', 1);
    expect(await system.settle()).toEqual([]);

    const held = await takeAllConnections(system.app.databaseUrl);
    expect(await codeOf(system.url, system.token)).toBe('UNAVAILABLE');
    const lateManager = await system.start('manager');
    await system.start('api', { PORT: '0' });
    for (const each of [system.api, manager, lateManager]) await each.waitForOutput(/too many clients already/);
    const migrate = spawnProcess(['migrate'], system.app.env);
    expect(await migrate.exit).toEqual({ code: 1, signal: null });
    expect(migrate.output()).toBe('PostgreSQL cannot be reached: sorry, too many clients already\n');

    await Promise.all(held.map((client) => client.end()));
    await waitFor(async () => (await codeOf(system.url, system.token)) === 'none', {
      what: 'tasks are accepted again',
    });
    await manager.kill('SIGKILL');
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 21 });
  });
});
