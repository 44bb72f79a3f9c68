import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { claim } from '../../../src/broker/calls.ts';
import { taskTypesKey } from '../../../src/broker/keys.ts';
import type { Broker } from '../../../src/broker/lanes.ts';
import { type Database, openDatabase } from '../../../src/database/client.ts';
import { fireSchedules } from '../../../src/schedules/fire-schedules.ts';
import type { Schedule } from '../../../src/schedules/schedule-store.ts';
import { Handover } from '../../../workers/manager/handover.ts';
import { type ScheduleRunner, startScheduleRunner } from '../../../workers/manager/schedule-runner.ts';
import { type Factory, silent } from '../../support/factory.ts';
import { type FactoryApp, setupFactory } from '../../support/factory-app.ts';
import { findContradictions } from '../../support/invariants.ts';
import { makeOwner, makeSchedule } from '../../support/schedules.ts';
import { query, waitFor } from '../../support/setup.ts';
import { openBroker } from '../../support/shard-setup.ts';

const SECOND = 1_000;
const DAY = 86_400 * SECOND;

let app: FactoryApp;
let factory: Factory;
let ownerId: string;
let runners: { runner: ScheduleRunner; handover: Handover; broker: Broker; database: Database }[];

beforeEach(async () => {
  app = await setupFactory();
  factory = app.factory;
  ownerId = await makeOwner(app);
  runners = [];
});
afterEach(async () => {
  await stopAll();
  await app.close();
});

/** As in another process: with connections of its own. */
const start = (): void => {
  const broker = openBroker(app.redisPort, app.config.REDIS_KEY_PREFIX);
  const database = openDatabase({ url: app.databaseUrl, poolSize: 3, timeoutMs: 5_000 });
  const shared = { broker, database, config: app.config, logger: silent };
  const handover = new Handover(shared);
  runners.push({
    runner: startScheduleRunner({ ...shared, handover }),
    handover,
    broker,
    database,
  });
};

const stopAll = async (): Promise<void> => {
  for (const { runner, handover, broker, database } of runners.splice(0)) {
    await runner.stop();
    await handover.close();
    broker.close();
    await database.$disconnect();
  }
};

const tasks = () => app.database.task.findMany({ where: { ownerId }, orderBy: { runAt: 'asc' } });
const runsOf = (scheduleId: string) =>
  app.database.scheduleRun.findMany({ where: { scheduleId }, orderBy: { dueAt: 'asc' } });
const now = (schedule: Schedule) => app.database.schedule.findUniqueOrThrow({ where: { id: schedule.id } });
const fire = () => fireSchedules({ ...factory.services, logger: silent });

describe('a schedule that is due', () => {
  test('makes a task, which names it and its due time, and goes on to the next', async () => {
    const schedule = await makeSchedule(app, {
      ownerId,
      name: 'nightly',
      queue: 'reports',
      priority: 'HIGH',
      maxAttempts: 7,
      timeoutMs: 5_000,
      backoff: 'F:500:900:0.250',
      payload: { deep: [1, null] },
      tags: ['billing'],
    });
    start();
    const [task] = await waitFor(async () => ((await tasks()).length === 1 ? tasks() : undefined));
    expect(task).toMatchObject({
      type: 'echo',
      queue: 'reports',
      priority: 'HIGH',
      maxAttempts: 7,
      timeoutMs: 5_000,
      backoff: 'F:500:900:0.250',
      payload: { deep: [1, null] },
      tags: ['billing', 'schedule:nightly'],
      runAt: schedule.nextRunAt,
      status: 'QUEUED',
    });
    expect(await now(schedule)).toMatchObject({ lastTaskId: task?.id, lastRunAt: task?.createdAt, lastError: null });
    expect((await now(schedule)).nextRunAt?.toISOString()).toMatch(/^\d{4}-01-01T00:00:00\.000Z$/);
    expect(await runsOf(schedule.id)).toEqual([
      { scheduleId: schedule.id, dueAt: schedule.nextRunAt, taskId: task?.id },
    ]);
    const shard = app.broker.shardFor('HIGH', task?.id ?? '');
    const wish = { worker: 'w', limit: 1, leaseMs: 60_000, lowFirst: 0, queues: '*', types: 'echo' };
    const held = await waitFor(async () => (await claim(shard, wish))[0], { what: 'a worker gets it' });
    expect(held.id).toBe(task?.id);
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('makes it within a second when it was made while the runner slept, and not before', async () => {
    start();
    await waitFor(async () => (await fire()) === 0);
    await makeSchedule(app, { ownerId, dueInMs: 400 });
    const [task] = await waitFor(async () => ((await tasks()).length > 0 ? tasks() : undefined));
    const lateness = (task?.createdAt.getTime() ?? 0) - (task?.runAt?.getTime() ?? 0);
    expect(lateness).toBeGreaterThanOrEqual(0);
    expect(lateness).toBeLessThan(SECOND);
  });

  test('waits for nobody: one that an owner is just changing is served when that is over', async () => {
    const held = await makeSchedule(app, { ownerId });
    const other = await makeSchedule(app, { ownerId });
    await app.database.$transaction(async (transaction) => {
      await transaction.$queryRaw`SELECT id FROM schedules WHERE id = ${held.id}::uuid FOR UPDATE`;
      expect(await fire()).toBe(1);
    });
    expect((await now(other)).lastTaskId).not.toBeNull();
    expect((await now(held)).lastTaskId).toBeNull();
    start();
    await waitFor(async () => (await now(held)).lastTaskId);
  });

  test('is not served when it is paused or deleted', async () => {
    await makeSchedule(app, { ownerId, isPaused: true, dueInMs: null });
    const gone = await makeSchedule(app, { ownerId });
    await app.database.schedule.delete({ where: { id: gone.id } });
    expect(await fire()).toBe(0);
    expect(await tasks()).toEqual([]);
  });
});

describe('runs that were missed', () => {
  test('are skipped, or made up for by one, as the schedule says', async () => {
    const skipping = await makeSchedule(app, { ownerId, name: 'skips', cron: '@hourly', dueInMs: -3 * DAY - 90_000 });
    const once = await makeSchedule(app, {
      ownerId,
      name: 'once',
      cron: '@yearly',
      missedRuns: 'RUN_ONCE',
      dueInMs: -3 * DAY,
    });
    await fire();
    const made = (await tasks()).filter(({ tags }) => tags.includes('schedule:once'));
    expect(made.map(({ runAt }) => runAt)).toEqual([once.nextRunAt]);
    // An hour may just have begun: that one is on time.
    for (const { dueAt } of await runsOf(skipping.id)) expect(Date.now() - dueAt.getTime()).toBeLessThan(62_000);
    expect((await now(skipping)).nextRunAt?.getTime()).toBeGreaterThan(Date.now() - SECOND);
  });

  test('are on time when they are less than a minute late', async () => {
    const schedule = await makeSchedule(app, { ownerId, dueInMs: -50 * SECOND });
    await fire();
    expect((await tasks()).map(({ runAt }) => runAt)).toEqual([schedule.nextRunAt]);
  });
});

describe('two managers', () => {
  test('serve every due time of many schedules once', { timeout: 60_000 }, async () => {
    const schedules = await Promise.all(
      Array.from({ length: 120 }, () => makeSchedule(app, { ownerId, cron: '* * * * * *', dueInMs: -2_000 })),
    );
    start();
    start();
    const enough = async () => (await app.database.scheduleRun.count()) >= 120 * 6;
    await waitFor(enough, { timeoutMs: 40_000, what: 'six runs of each' });
    await stopAll();
    const all = await app.database.scheduleRun.findMany({ orderBy: { dueAt: 'asc' } });
    const bySchedule = Map.groupBy(all, ({ scheduleId }) => scheduleId);
    for (const { id, nextRunAt } of schedules) {
      const [first, ...rest] = (bySchedule.get(id) ?? []).map(({ dueAt }) => dueAt.getTime());
      expect(first).toBe(nextRunAt?.getTime());
      const second = Math.floor((first ?? 0) / SECOND) * SECOND;
      expect(rest).toEqual(rest.map((_, i) => second + (i + 1) * SECOND));
    }
    const made = await tasks();
    expect(made.map(({ id }) => id).sort()).toEqual(all.map(({ taskId }) => taskId).sort());
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('leave nothing half done: a failure before the commit is as if nothing had been', async () => {
    const schedule = await makeSchedule(app, { ownerId });
    const failing = vi.spyOn(factory.writer, 'writeWithin').mockImplementationOnce(async () => {
      throw new Error('Connection terminated unexpectedly');
    });
    await expect(fire()).rejects.toThrow('Connection terminated');
    expect(await tasks()).toEqual([]);
    expect(await now(schedule)).toEqual(schedule);
    expect(await runsOf(schedule.id)).toEqual([]);
    failing.mockRestore();
    expect(await fire()).toBe(1);
    expect(await tasks()).toHaveLength(1);
  });

  test('do not serve a due time twice that comes again, as after setting the clock back', async () => {
    const schedule = await makeSchedule(app, { ownerId });
    await fire();
    await app.database.schedule.update({ where: { id: schedule.id }, data: { nextRunAt: schedule.nextRunAt } });
    const [task] = await tasks();
    expect(await fire()).toBe(1);
    expect(await tasks()).toHaveLength(1);
    expect(await now(schedule)).toMatchObject({ lastTaskId: task?.id, lastError: null });
    expect(await fire()).toBe(0);
  });
});

describe('a schedule whose task is refused', () => {
  const announce = (type: string, schema: object) =>
    Promise.all(
      app.broker.lanes.map(({ redis, shards }) =>
        redis.hset(taskTypesKey(shards[0]?.tag ?? ''), type, JSON.stringify(schema)),
      ),
    );

  test('keeps the reason and goes on, without holding up others, until its payload fits again', async () => {
    await announce('strict', { type: 'object', required: ['file'] });
    const misfit = await makeSchedule(app, { ownerId, type: 'strict', dueInMs: -2_000, cron: '* * * * * *' });
    const unknown = await makeSchedule(app, { ownerId, type: 'announced-later' });
    start();
    await waitFor(async () => (await now(unknown)).lastTaskId, { what: 'the other one made its task' });
    const lastError = await waitFor(async () => (await now(misfit)).lastError);
    expect(lastError).toMatch(/^schedule\.payload\.file must have required property 'file'/);
    expect((await tasks()).map(({ type }) => type)).toEqual(['announced-later']);
    expect((await now(misfit)).nextRunAt?.getTime()).toBeGreaterThan(misfit.nextRunAt?.getTime() ?? 0);

    await app.database.schedule.update({ where: { id: misfit.id }, data: { payload: { file: 'a.csv' } } });
    await waitFor(async () => (await now(misfit)).lastTaskId);
    expect((await now(misfit)).lastError).toBeNull();
  });

  test('does not hold up others when PostgreSQL refuses it', async () => {
    const orphan = await makeOwner(app);
    await app.database.ownerFeed.delete({ where: { ownerId: orphan } });
    const faulty = await makeSchedule(app, { ownerId: orphan, dueInMs: -2_000 });
    const sound = await makeSchedule(app, { ownerId });
    expect(await fire()).toBe(2);
    expect((await now(sound)).lastTaskId).not.toBeNull();
    expect(await now(faulty)).toMatchObject({ lastTaskId: null, lastError: 'The task could not be written.' });
    expect(await fire()).toBe(0);
  });

  test('rests when its next due time cannot be found', async () => {
    const schedule = await makeSchedule(app, { ownerId, timeZone: 'Europe/Atlantis' });
    const sound = await makeSchedule(app, { ownerId });
    await fire();
    expect(await now(schedule)).toMatchObject({ nextRunAt: null, lastError: expect.stringContaining('Atlantis') });
    expect((await now(sound)).lastTaskId).not.toBeNull();
  });
});

describe('looking for what is due', () => {
  test('reads one entry of an index, however many schedules there are', async () => {
    await app.database.$executeRaw`
      INSERT INTO schedules (id, owner_id, name, cron, time_zone, missed_runs, next_run_at, type, queue, payload, priority, max_attempts)
      SELECT gen_random_uuid(), ${ownerId}::uuid, 'n' || n, '@daily', 'UTC', 'SKIP', now() + n * interval '1 s', 'echo', 'default', '1', 'LOW', 1
      FROM generate_series(1, 20000) AS n`;
    await query(app.databaseUrl, 'ANALYZE schedules');
    const plan = await query<{ 'QUERY PLAN': string }>(
      app.databaseUrl,
      'EXPLAIN (ANALYZE, BUFFERS OFF) SELECT min(next_run_at) FROM schedules',
    );
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toMatch(/Index Only Scan using schedules_next_run_at_idx[^\n]*rows=1/);
  });
});
