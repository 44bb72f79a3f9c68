import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../src/database/connect.ts';
import { freePort } from '../../../src/local/free-port.ts';
import { query, setup, spawnProcess, startPrivatePostgres, type TestApp, waitFor } from '../../support/setup.ts';
import { DAY, makeDay, putTasks } from './support.ts';

let app: TestApp;
const userId = uuidv7();

beforeAll(async () => {
  app = await setup();
  const user = { id: userId, email: 'cli@example.com', username: 'cli', passwordHash: 'x' };
  await app.database.user.create({ data: user });
});
afterAll(() => app.close());
beforeEach(() => app.database.apiKey.deleteMany());

const putExpiredKey = () =>
  app.database.apiKey.create({
    data: {
      id: uuidv7(),
      userId,
      name: 'expired',
      prefix: 'tf_test',
      secretHash: randomBytes(32),
      scopes: ['TASKS_READ'],
      expiresAt: new Date(Date.now() - 1_000),
    },
  });
const countActive = () => app.database.apiKey.count({ where: { revokedAt: null } });

/** At once, on a busy machine: far below the hour, or the minutes of a statement, that it would wait otherwise. */
const AT_ONCE_MS = 10_000;
const timeOf = async <T>(work: Promise<T>): Promise<{ result: T; ms: number }> => {
  const since = performance.now();
  return { result: await work, ms: performance.now() - since };
};

describe('taskflow janitor', () => {
  test('does its work once, says in a line what it did, and logs the same as JSON', async () => {
    await putExpiredKey();
    const old = new Date(Date.now() - 50 * DAY);
    await makeDay(app, old.toISOString().slice(0, 10));
    await putTasks(app, [{ ownerId: userId, at: old, status: 'SCHEDULED' }]);
    const day = old.toISOString().slice(0, 10);

    const planned = spawnProcess(['janitor', '--dry-run'], { ...app.env, LOG_LEVEL: 'silent' });
    expect(await planned.exit).toEqual({ code: 0, signal: null });
    expect(await countActive()).toBe(1);

    const child = spawnProcess(['janitor'], app.env);
    expect(await child.exit).toEqual({ code: 0, signal: null });
    expect(await countActive()).toBe(0);
    const lines = child.output().trim().split('\n');
    const line = lines.find((each) => each.startsWith('API keys: 1 revoked, 0 deleted; '));
    expect(line).toContain(`days of tasks: 0 dropped, 0 rewritten, 1 held by unfinished tasks (${day} by 1), 0 busy`);
    expect(planned.output()).toBe(`Nothing was changed; this would happen. ${line}\n`);
    const logged = JSON.parse(lines.find((each) => each.startsWith('{')) ?? '');
    expect(logged).toMatchObject({ level: 30, apiKeysRevoked: 1, daysHeld: [{ day, unfinished: 1 }], msg: line });
  });

  test('ends with 1, and says why, when a step fails; the others are done', async () => {
    await putExpiredKey();
    await query(app.databaseUrl, 'ALTER TABLE queue_minutes RENAME TO hidden_minutes');
    onTestFinished(
      async () => void (await query(app.databaseUrl, 'ALTER TABLE hidden_minutes RENAME TO queue_minutes')),
    );
    const child = spawnProcess(['janitor'], app.env);
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.output()).toMatch(
      /^API keys: 1 revoked.*could not delete queue minutes: relation "queue_minutes" does not/m,
    );
    expect(await countActive()).toBe(0);
  });

  test.each([
    [['janitor', '--every', 'soon'], /^soon is no interval: /],
    [['janitor', '--every', '0s'], /^0s is no interval: /],
  ])('%j is refused in one line', async (args, message) => {
    const child = spawnProcess(args, app.env);
    expect((await child.exit).code).toBe(1);
    expect(child.output().trim().split('\n')).toEqual([expect.stringMatching(message)]);
  });

  test('says in one line that there is no PostgreSQL', async () => {
    const DATABASE_URL = `postgresql://nobody@127.0.0.1:${await freePort()}/nothing`;
    const child = spawnProcess(['janitor'], { ...app.env, DATABASE_URL });
    expect((await child.exit).code).toBe(1);
    expect(child.output()).toMatch(/^PostgreSQL cannot be reached: [^\n]*\n$/);
  });
});

describe('taskflow janitor --every', () => {
  test('does its work again and again', async () => {
    const child = spawnProcess(['janitor', '--every', '50ms'], app.env);
    for (let i = 0; i < 3; i++) {
      await putExpiredKey();
      await waitFor(async () => (await countActive()) === 0, { what: 'the key is revoked' });
    }
    expect(await child.kill()).toEqual({ code: 0, signal: null });
  });

  test('stops at once on SIGTERM while it waits for its next run', async () => {
    await putExpiredKey();
    const child = spawnProcess(['janitor', '--every', '1h'], app.env);
    await child.waitForOutput(/"msg":"API keys: 1 revoked/);
    const { result, ms } = await timeOf(child.kill());
    expect(result).toEqual({ code: 0, signal: null });
    expect(ms).toBeLessThan(AT_ONCE_MS);
  });

  test.each([
    [['janitor', '--every', '1h'], 0],
    [['janitor'], 1],
  ])('%j stops at once on SIGTERM in the middle of a statement', async (args, code) => {
    const blocker = await connect(app.databaseUrl);
    onTestFinished(() => blocker.end());
    await blocker.query('BEGIN; LOCK TABLE queue_minutes');
    const child = spawnProcess(args, app.env);
    await waitFor(
      async () =>
        (
          await query(
            app.databaseUrl,
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'taskflow janitor'
             AND wait_event_type = 'Lock' AND query ~ 'queue_minutes'`,
          )
        ).length > 0,
      { what: 'the janitor waits for the lock' },
    );
    const { result, ms } = await timeOf(child.kill());
    expect(result).toEqual({ code, signal: null });
    expect(ms).toBeLessThan(AT_ONCE_MS);
  });

  test('goes on after PostgreSQL was away', async () => {
    const postgres = await startPrivatePostgres();
    await using own = await setup({ postgres });
    const child = spawnProcess(['janitor', '--every', '100ms'], own.env);
    await child.waitForOutput(/"msg":"API keys: /);
    await postgres.kill();
    await child.waitForOutput(/"msg":"could not clean up; will try again"/);
    const seen = child.output().length;
    await postgres.start();
    await waitFor(() => child.output().slice(seen).includes('"msg":"API keys: '), { what: 'it cleans up again' });
    expect(await child.kill()).toEqual({ code: 0, signal: null });
  });
});
