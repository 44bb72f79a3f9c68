import { describe, expect, test } from 'vitest';
import { makeEndedTasks } from '../support/many-tasks.ts';
import { query, type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const COUNT = 5_000;

interface Progress {
  status: string;
  matched: number;
  done: number;
  skipped: number;
}

/** Makes each step last long enough to be met. */
const linger = (system: System) =>
  query(
    system.app.databaseUrl,
    `CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$;
     CREATE TRIGGER linger AFTER UPDATE ON operations FOR EACH STATEMENT EXECUTE FUNCTION linger()`,
  );

/** A manager whose connections to PostgreSQL bear its name. */
const startManager = (system: System, name: string): Promise<TestProcess> => {
  const url = new URL(system.app.databaseUrl);
  url.searchParams.set('application_name', name);
  return system.start('manager', { DATABASE_URL: url.href });
};

const progressOf = async (system: System, id: string): Promise<Progress> => {
  const read = 'query ($id: ID!) { operation(id: $id) { status matched done skipped } }';
  return (await system.graphql<{ operation: Progress }>(read, { id })).operation;
};

/** Kills, again and again, the manager that is in the middle of a step, until the operation has ended. */
const finishUnderFire = async (system: System, id: string): Promise<Progress> => {
  const managers = new Map<string, TestProcess>();
  let number = 0;
  const another = async (): Promise<void> => {
    number++;
    const name = `manager-${number}`;
    managers.set(name, await startManager(system, name));
  };
  await Promise.all([another(), another()]);
  const inTheMiddle = async (): Promise<string | undefined> => {
    const rows = await query<{ name: string }>(
      system.app.databaseUrl,
      `SELECT application_name AS name FROM pg_stat_activity
       WHERE application_name LIKE 'manager-%' AND state = 'active' AND query LIKE '%UPDATE operations SET cursor%'`,
    );
    return rows.map(({ name }) => name).find((name) => managers.has(name));
  };
  const hasEnded = async (): Promise<Progress | undefined> => {
    const now = await progressOf(system, id);
    return now.status === 'QUEUED' || now.status === 'RUNNING' ? undefined : now;
  };
  let kills = 0;
  for (; kills < 4; kills++) {
    // Where a manager takes long to start, the others may have gone through all of it meanwhile.
    const found = await waitFor(async () => (await inTheMiddle()) ?? (await hasEnded()), {
      what: 'one is in the middle of it',
    });
    if (typeof found !== 'string') break;
    await managers.get(found)?.kill('SIGKILL');
    managers.delete(found);
    await another();
  }
  expect(kills).toBeGreaterThan(0);
  const progress = await waitFor(hasEnded, { timeoutMs: 60_000, what: 'the operation has ended' });
  await Promise.all([...managers.values()].map((manager) => manager.kill()));
  return progress;
};

const begin = async (system: System, mutation: string): Promise<string> => {
  const { begun } = await system.graphql<{ begun: { id: string } }>(`mutation { begun: ${mutation} { id } }`);
  return begun.id;
};
const all = { status: 'COMPLETED', matched: COUNT, done: COUNT, skipped: 0 };

describe('managers that are killed while they work on an operation', () => {
  test('put 5,000 tasks back, each once', { timeout: 180_000 }, async () => {
    await using system = await startSystem();
    await linger(system);
    await makeEndedTasks(system.app, { ownerId: system.ownerId, count: COUNT, status: 'FAILED' });
    const id = await begin(system, 'retryTasks(where: { status: [FAILED] })');
    expect(await finishUnderFire(system, id)).toEqual(all);
    const events = await system.app.database.taskEvent.count({ where: { ownerId: system.ownerId } });
    expect(events).toBe(3 * COUNT);
    await startManager(system, 'manager-last');
    await system.start('worker');
    await waitFor(async () => (await system.countByStatus()).COMPLETED === COUNT, { timeoutMs: 60_000 });
  });

  test('delete 5,000 tasks and count each once', { timeout: 180_000 }, async () => {
    await using system = await startSystem();
    await linger(system);
    await makeEndedTasks(system.app, { ownerId: system.ownerId, count: COUNT, status: 'COMPLETED' });
    const id = await begin(system, 'deleteTasks(where: { queue: ["default"] })');
    expect(await finishUnderFire(system, id)).toEqual(all);
    expect(await system.countByStatus()).toEqual({});
    expect(await system.app.database.taskEvent.count()).toBe(0);
  });

  test('cancel 5,000 tasks and count each once', { timeout: 180_000 }, async () => {
    await using system = await startSystem();
    await linger(system);
    await system.submit(COUNT, 'echo', 'x');
    const id = await begin(system, 'cancelTasks(where: { type: ["echo"] })');
    expect(await finishUnderFire(system, id)).toEqual(all);
    await startManager(system, 'manager-last');
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ CANCELLED: COUNT });
  });

  test('purge a queue of 5,000 tasks and count each once', { timeout: 180_000 }, async () => {
    await using system = await startSystem();
    await linger(system);
    await system.submit(COUNT - 1_000, 'echo', 'x');
    await system.submit(1_000, 'echo', 'x', { runAt: '2999-01-01T00:00:00Z', priority: 'HIGH' });
    const id = await begin(system, 'purgeQueue(name: "default")');
    expect(await finishUnderFire(system, id)).toEqual(all);
    await startManager(system, 'manager-last');
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ CANCELLED: COUNT });
  });
});
