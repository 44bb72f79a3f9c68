import { describe, expect, test } from 'vitest';
import { makeEndedTasks } from '../support/many-tasks.ts';
import {
  carryOut,
  countByStatus,
  setupManagedApi,
  start,
  submitMany,
  untilEnded,
  watchOperation,
} from '../support/operating.ts';
import { query, startPrivateRedis, waitFor } from '../support/setup.ts';

describe('while Redis is away', { timeout: 60_000 }, () => {
  test('tasks are deleted all the same, and whoever watches it sees it', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setupManagedApi({ redis });
    const owner = await app.user();
    await makeEndedTasks(app, { ownerId: owner.id, count: 3_000, status: 'COMPLETED' });
    await query(
      app.databaseUrl,
      `CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
       CREATE TRIGGER linger AFTER UPDATE ON operations FOR EACH STATEMENT EXECUTE FUNCTION linger()`,
    );
    const { id } = await start(owner, 'deleteTasks', { status: ['COMPLETED'] });
    const watch = await watchOperation(app, owner, id);
    for (;;) if ((await watch.take(1))[0].done > 0) break;
    await redis.kill();
    expect((await watch.rest()).at(-1)).toMatchObject({ status: 'COMPLETED', done: 3_000 });
    await redis.start();
  });

  test('cancelling and retrying wait, and go on once it is back; others are not held up', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setupManagedApi({ redis });
    const owner = await app.user();
    await submitMany(owner, 700);
    await makeEndedTasks(app, { ownerId: owner.id, count: 600, status: 'FAILED', queue: 'failed' });
    await makeEndedTasks(app, { ownerId: owner.id, count: 600, status: 'COMPLETED', queue: 'completed' });
    await redis.kill();
    const waiting = [
      await start(owner, 'cancelTasks', { queue: ['default'] }),
      await start(owner, 'retryTasks', { queue: ['failed'] }),
    ];
    expect(await carryOut(app, owner, 'deleteTasks', { queue: ['completed'] })).toMatchObject({ done: 600 });
    expect(await countByStatus(app, {})).toEqual({ QUEUED: 700, FAILED: 600 });
    expect(await app.database.outbox.count()).toBeLessThan(100);
    await redis.start();
    const outcomes = await Promise.all(waiting.map(({ id }) => untilEnded(app, owner, id)));
    expect(outcomes.map(({ status, done, skipped }) => [status, done, skipped])).toEqual([
      ['COMPLETED', 700, 0],
      ['COMPLETED', 600, 0],
    ]);
    await waitFor(async () => (await countByStatus(app, {})).CANCELLED === 700);
    expect(await countByStatus(app, {})).toEqual({ CANCELLED: 700, QUEUED: 600 });
  });
});
