import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../src/database/connect.ts';
import { submitTasks } from '../../../src/tasks/submit-tasks.ts';
import { type Factory, taskInput } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { query, waitFor } from '../../support/setup.ts';
import { ago, cleanUpAtNow, DAY, daysOf, makeDay, putTasks, settings } from './support.ts';

let app: FactoryApp;
let factory: Factory;
let ownerId: string;

beforeAll(async () => {
  app = await setupFactory();
  factory = app.factory;
  ownerId = await factory.owner();
});
afterAll(() => app.close());

/** A moment for a submitter: the 50 ms that the janitor waits for each table, and a busy machine. */
const MOMENT_MS = 1_000;

/** Submits and updates tasks without a pause until `stop`, which returns how many there were. */
const startTraffic = () => {
  let isOver = false;
  const submitting = Promise.all(
    [1, 2].map(async () => {
      let count = 0;
      for (; !isOver; count++) {
        const [task] = await submitTasks(factory.services, ownerId, [taskInput()]);
        // As a recorder updates: it does not say in which partition.
        await app.database
          .$executeRaw`UPDATE tasks t SET progress = 1 FROM unnest(${[task?.id]}::uuid[]) AS u(id) WHERE t.id = u.id`;
      }
      return count;
    }),
  );
  return async (): Promise<number> => {
    isOver = true;
    return (await submitting).reduce((sum, count) => sum + count, 0);
  };
};

/** Looks without a pause how long others than the janitor wait for locks. `stop` returns the longest wait, in ms. */
const watchLockWaits = async () => {
  const client = await connect(app.databaseUrl);
  let isOver = false;
  let longest = 0;
  const watching = (async () => {
    while (!isOver) {
      const { rows } = await client.query<{ ms: number | null }>(
        `SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000)::float8 AS ms
         FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE NOT l.granted AND a.datname = current_database() AND a.application_name <> 'taskflow janitor'`,
      );
      longest = Math.max(longest, rows[0]?.ms ?? 0);
    }
    await client.end();
  })();
  return async (): Promise<number> => {
    isOver = true;
    await watching;
    return longest;
  };
};

const dayBefore = (days: number): string =>
  ago(days * DAY)
    .toISOString()
    .slice(0, 10);

const makeFullDays = async (from: number, count: number, tasks: number): Promise<string[]> => {
  const days = Array.from({ length: count }, (_, i) => dayBefore(from - i));
  for (const [i, day] of days.entries()) {
    await makeDay(app, day);
    await app.database.$executeRaw`
      INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts, created_at, finished_at)
      SELECT overlay(gen_random_uuid()::text PLACING left(taskflow_first_id(${ago((from - i) * DAY)})::text, 13) FROM 1 FOR 13)::uuid,
        ${uuidv7()}::uuid, 'echo', 'default', '{}', 'LOW', 'COMPLETED', 1, 1, ${ago((from - i) * DAY)}, now()
      FROM generate_series(1, ${tasks}::int)`;
  }
  return days;
};

/** A reader in the middle of a transaction: it holds a weak lock on all tasks until `end`. */
const openReader = async (isolation: 'READ COMMITTED' | 'REPEATABLE READ') => {
  const client = await connect(app.databaseUrl);
  onTestFinished(() => client.end());
  await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
  await client.query('SELECT count(*) FROM tasks');
  return async (): Promise<void> => void (await client.query('COMMIT'));
};

describe('while tasks are submitted and updated', () => {
  test('days are dropped, and nobody waits longer than a moment', async () => {
    const days = await makeFullDays(60, 6, 5_000);
    const stopTraffic = startTraffic();
    const stopWatching = await watchLockWaits();
    expect((await cleanUpAtNow(app)).daysDropped).toEqual(days);
    expect(await stopWatching()).toBeLessThan(MOMENT_MS);
    expect(await stopTraffic()).toBeGreaterThan(10);
    expect(await daysOf(app)).toEqual([]);
  });

  test('days are rewritten without those that have had their time, and nobody waits longer than a moment', async () => {
    const days = await makeFullDays(60, 6, 5_000);
    const failed = await app.database.$executeRaw`
      UPDATE tasks SET status = 'FAILED' WHERE created_at < ${ago(DAY)} AND abs(hashtext(id::text)) % 10 = 0`;
    const stopTraffic = startTraffic();
    const stopWatching = await watchLockWaits();
    const { daysRewritten, failures } = await cleanUpAtNow(app, settings(app, { FAILED_RETENTION_DAYS: 90 }));
    expect(await stopWatching()).toBeLessThan(MOMENT_MS);
    expect(await stopTraffic()).toBeGreaterThan(10);
    expect(failures).toEqual([]);
    expect(daysRewritten.map(({ day }) => day)).toEqual(days);
    expect(await app.database.task.count({ where: { createdAt: { lt: ago(DAY) } } })).toBe(failed);
    expect((await cleanUpAtNow(app)).daysDropped).toEqual(days);
  });

  test('a reader that holds all tasks makes days busy; submitters still wait no longer than a moment', async () => {
    const days = await makeFullDays(60, 3, 10);
    const endReading = await openReader('READ COMMITTED');
    const stopTraffic = startTraffic();
    const stopWatching = await watchLockWaits();
    const { daysBusy, daysDropped, failures } = await cleanUpAtNow(app);
    const longest = await stopWatching();
    await endReading();
    await stopTraffic();
    expect({ daysBusy, daysDropped, failures }).toEqual({ daysBusy: days, daysDropped: [], failures: [] });
    expect(longest).toBeLessThan(MOMENT_MS);
    // It did try, and submitters waited behind it.
    expect(longest).toBeGreaterThan(0);
    expect((await cleanUpAtNow(app)).daysDropped).toEqual(days);
  });

  test('a day is dropped as soon as its reader has ended', async () => {
    const [day = ''] = await makeFullDays(50, 1, 10);
    const endReading = await openReader('READ COMMITTED');
    const cleaning = cleanUpAtNow(app);
    await waitFor(async () => (await waitingJanitors()).includes('relation'), {
      what: 'the janitor waits for its locks',
    });
    await endReading();
    expect((await cleaning).daysDropped).toEqual([day]);
  });
});

/** What the janitors of this database wait for. */
const waitingJanitors = async (): Promise<string[]> => {
  const rows = await query<{ locktype: string }>(
    app.databaseUrl,
    `SELECT l.locktype FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE NOT l.granted AND a.datname = current_database() AND a.application_name = 'taskflow janitor'`,
  );
  return rows.map(({ locktype }) => locktype);
};

describe('killed while it makes an index', () => {
  test('it leaves the index unusable, and the next run makes it anew', async () => {
    const [day = ''] = await makeFullDays(40, 1, 10);
    const endReading = await openReader('REPEATABLE READ');
    const cleaning = cleanUpAtNow(app);
    await waitFor(async () => (await waitingJanitors()).includes('virtualxid'), {
      what: 'the index waits for the reader',
    });
    await query(
      app.databaseUrl,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'taskflow janitor'`,
    );
    expect((await cleaning).failures.map(({ step }) => step)).toContain('drop days of tasks');
    await endReading();
    const indexes = `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid::regclass::text ~ '_unfinished$'`;
    expect(await query(app.databaseUrl, indexes)).toEqual([{ valid: false }]);
    expect((await cleanUpAtNow(app)).daysDropped).toEqual([day]);
  });
});

describe('two at once', () => {
  test('do everything once, one after the other', async () => {
    await makeFullDays(45, 3, 100);
    const stray = { ownerId, at: new Date('2031-05-06'), createdAt: ago(90 * DAY) };
    await putTasks(
      app,
      Array.from({ length: 20 }, () => stray),
    );
    const summaries = await Promise.all([1, 2, 3].map(() => cleanUpAtNow(app, { patienceMs: 60_000 })));
    expect(summaries.map(({ daysDropped }) => daysDropped.length).sort()).toEqual([0, 0, 3]);
    expect(summaries.map(({ tasksDeleted }) => tasksDeleted).sort((a, b) => a - b)).toEqual([0, 0, 20]);
    expect(summaries.flatMap(({ failures }) => failures)).toEqual([]);
  });

  test('the second leaves it to the first when its patience ends, but may look', async () => {
    const [day = ''] = await makeFullDays(40, 1, 10);
    const endReading = await openReader('REPEATABLE READ');
    const first = cleanUpAtNow(app);
    await waitFor(async () => (await waitingJanitors()).length > 0, { what: 'the first is at work' });
    await expect(cleanUpAtNow(app, { patienceMs: 0 })).rejects.toThrow('another janitor was at work');
    expect((await cleanUpAtNow(app, { isDryRun: true })).daysDropped).toEqual([day]);
    await endReading();
    expect((await first).daysDropped).toEqual([day]);
  });
});
