import { describe, expect, test } from 'vitest';
import { primariesFail } from '../support/failovers.ts';
import { startPrivatePostgres, waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

const CREATE = 'mutation { createTask(input: { type: "echo" }) { id } }';

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
