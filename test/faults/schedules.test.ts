import { describe, expect, test } from 'vitest';
import { query, startPrivatePostgres, type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

const CREATE = 'mutation ($input: CreateScheduleInput!) { createSchedule(input: $input) { id } }';
const PAUSE = 'mutation ($id: ID!) { pauseSchedule(id: $id) { id } }';
const SECOND = 1_000;

const everySecond = (system: System, count: number): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const input = { name: `s${i}`, cron: '* * * * * *', type: 'echo', payload: i };
      return (await system.graphql<{ createSchedule: { id: string } }>(CREATE, { input })).createSchedule.id;
    }),
  );

/** A manager whose connections to PostgreSQL bear its name. */
const startManager = async (system: System, name: string): Promise<TestProcess> => {
  const url = new URL(system.app.databaseUrl);
  url.searchParams.set('application_name', name);
  return system.start('manager', { DATABASE_URL: url.href });
};

/** Due times of which more or less than one task was made, between the first and the last of each schedule. */
const findFaults = async ({ app }: System, ids: readonly string[]): Promise<string[]> => {
  const runs = await app.database.scheduleRun.findMany({ orderBy: { dueAt: 'asc' } });
  const tasks = await app.database.task.findMany({ select: { id: true, runAt: true } });
  const runAt = new Map(tasks.map((task) => [task.id, task.runAt?.getTime()]));
  const faults = runs
    .filter((run) => runAt.get(run.taskId) !== run.dueAt.getTime())
    .map((run) => `${run.taskId} is not there`);
  if (tasks.length !== runs.length) faults.push(`${tasks.length} tasks for ${runs.length} due times`);
  const bySchedule = Map.groupBy(runs, ({ scheduleId }) => scheduleId);
  for (const id of ids) {
    const times = (bySchedule.get(id) ?? []).map(({ dueAt }) => dueAt.getTime());
    if (times.length < 2) faults.push(`${id} was due ${times.length} times`);
    for (const [i, time] of times.slice(1).entries()) {
      if (time - (times[i] ?? 0) !== SECOND)
        faults.push(`${id}: ${time - (times[i] ?? 0)} ms up to ${new Date(time).toISOString()}`);
    }
  }
  return faults;
};

describe('managers that are killed while they serve schedules', () => {
  test('leave no due time out, and none is served twice', { timeout: 180_000 }, async () => {
    await using system = await startSystem();
    const { databaseUrl } = system.app;
    // Transactions that last long enough to be met.
    await query(
      databaseUrl,
      `CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$;
       CREATE TRIGGER linger AFTER INSERT ON schedule_runs FOR EACH STATEMENT EXECUTE FUNCTION linger()`,
    );
    await system.start('worker');
    const managers = new Map<string, TestProcess>();
    for (const name of ['manager-1', 'manager-2']) managers.set(name, await startManager(system, name));
    const ids = await everySecond(system, 60);

    const inTheMiddle = async (): Promise<string | undefined> => {
      const rows = await query<{ name: string }>(
        databaseUrl,
        `SELECT application_name AS name FROM pg_stat_activity
         WHERE application_name LIKE 'manager-%' AND state = 'active' AND query LIKE '%INSERT INTO schedule_runs%'`,
      );
      return rows.map(({ name }) => name).find((name) => managers.has(name));
    };
    for (let round = 3; round <= 7; round++) {
      const victim = await waitFor(inTheMiddle, { what: 'one is in the middle of it' });
      await managers.get(victim)?.kill('SIGKILL');
      managers.delete(victim);
      managers.set(`manager-${round}`, await startManager(system, `manager-${round}`));
    }
    const count = await system.app.database.scheduleRun.count();
    await waitFor(async () => (await system.app.database.scheduleRun.count()) > count + 2 * ids.length);
    await Promise.all(ids.map((id) => system.graphql(PAUSE, { id })));

    expect(await findFaults(system, ids)).toEqual([]);
    expect(await system.settle()).toEqual([]);
    expect(Object.keys(await system.countByStatus())).toEqual(['COMPLETED']);
  });
});

describe('PostgreSQL is down while schedules are due', () => {
  test('those of the last minute are served afterwards, each once', { timeout: 120_000 }, async () => {
    await using postgres = await startPrivatePostgres();
    await using system = await startSystem({ postgres });
    await startManager(system, 'manager-1');
    await startManager(system, 'manager-2');
    const ids = await everySecond(system, 5);
    const served = () => system.app.database.scheduleRun.count();
    await waitFor(async () => (await served()) >= 2 * ids.length);
    await postgres.kill();
    const downAt = Date.now();
    await waitFor(() => Date.now() - downAt > 4 * SECOND, { what: 'some due times have passed' });
    await postgres.start();
    const upAt = Date.now();
    await waitFor(
      async () =>
        (await system.app.database.scheduleRun.count({ where: { dueAt: { gt: new Date(upAt) } } })) >= ids.length,
      { what: 'they are in time again', timeoutMs: 40_000 },
    );
    await Promise.all(ids.map((id) => system.graphql(PAUSE, { id })));
    expect(await findFaults(system, ids)).toEqual([]);
  });
});
