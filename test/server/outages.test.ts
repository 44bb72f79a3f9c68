import { describe, expect, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { type Api, startApi } from '../../src/server/api.ts';
import { errorOf, openNode, setupApi } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { setup, startPrivatePostgres, startPrivateRedis, waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';

const CREATE = 'mutation { createTask(input: { type: "echo", queue: "outage" }) { id type queue } }';
const QUEUES = '{ queues { name } }';

const readiness = async ({ url }: Api): Promise<[number, Record<string, string>]> => {
  const response = await fetch(`${url}/readyz`);
  return [response.status, ((await response.json()) as { parts: Record<string, string> }).parts];
};

const took = async <T>(work: Promise<T>): Promise<[T, number]> => {
  const start = performance.now();
  return [await work, performance.now() - start];
};

describe('while PostgreSQL and Redis are down', () => {
  test('the api starts, says what is missing, and serves once they are there', async () => {
    await using postgres = await startPrivatePostgres();
    await using redis = await startPrivateRedis();
    await using app = await setup({ postgres, redis });
    await Promise.all([postgres.stop(), redis.stop()]);
    const api = await startApi(app.config, silent);
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
    expect(await readiness(api)).toEqual([
      503,
      {
        postgresql: 'cannot be reached',
        migrations: 'not known',
        redisHigh: 'cannot be reached',
        redisLow: 'cannot be reached',
      },
    ]);
    await postgres.start();
    await waitFor(async () => (await readiness(api))[1].postgresql === 'ok');
    expect((await readiness(api))[0]).toBe(503);
    await redis.start();
    await waitFor(async () => (await readiness(api))[0] === 200);
    await api.close();
  });
});

describe('while PostgreSQL is down', () => {
  test('submissions get UNAVAILABLE at once, and credentials that cannot be checked 503; then all goes on', async () => {
    await using postgres = await startPrivatePostgres();
    await using app = await setupApi({ postgres });
    const user = await app.user();
    const key = await app.keyOf(user);
    await postgres.kill();
    // Together: the login was checked a moment ago, and that holds for a second.
    const operations = [CREATE, '{ me { id } }', '{ tasks { edges { cursor } } }', QUEUES];
    for (const [answer, ms] of await Promise.all(operations.map((operation) => took(user.call(operation))))) {
      expect(answer).toMatchObject({ status: 200 });
      expect(errorOf(answer)).toEqual({ code: 'UNAVAILABLE' });
      expect(ms).toBeLessThan(2_000);
    }
    const unchecked = await app.call(CREATE, {}, key);
    expect(unchecked.status).toBe(503);
    expect(errorOf(unchecked)).toMatchObject({ code: 'UNAVAILABLE' });
    await postgres.start();
    expect((await waitFor(async () => (await user.call(CREATE)).data)).createTask.id).toBeTruthy();
    expect((await app.call('{ me { id } }', {}, key)).data.me.id).toBe(user.id);
  });

  test('what was under way when it crashed is UNAVAILABLE, not INTERNAL', async () => {
    await using postgres = await startPrivatePostgres();
    await using app = await setupApi({ postgres });
    const user = await app.user();
    const answers: ReturnType<typeof user.call>[] = [];
    const submitting = waitFor(async () => {
      answers.push(...Array.from({ length: 20 }, () => user.call(CREATE)));
      return (await answers.at(-1))?.errors !== undefined;
    });
    await postgres.kill();
    await submitting;
    const failed = (await Promise.all(answers)).filter(({ errors }) => errors);
    expect(failed.length).toBeGreaterThan(0);
    for (const answer of failed) expect(errorOf(answer)).toEqual({ code: 'UNAVAILABLE' });
  });
});

describe('while PostgreSQL hangs', () => {
  test('200 submissions at once get UNAVAILABLE within the time limit, and all goes on when it wakes', async () => {
    await using postgres = await startPrivatePostgres();
    await using app = await setupApi({ postgres });
    const user = await app.user();
    await using proxy = await startStallingProxy(postgres.port);
    const url = new URL(app.databaseUrl);
    url.port = String(proxy.port);
    await using node = await openNode({
      ...app,
      config: { ...app.config, DATABASE_URL: url.href, DATABASE_TIMEOUT_MS: 500 },
    });
    expect((await node.call(CREATE, {}, user.headers)).data.createTask.id).toBeTruthy();
    proxy.stall();
    const [answers, ms] = await took(
      Promise.all(Array.from({ length: 200 }, () => node.call(CREATE, {}, user.headers))),
    );
    for (const answer of answers) expect(errorOf(answer)).toEqual({ code: 'UNAVAILABLE' });
    // The timeout, what the driver adds to it, and twice as much again for a machine that is busy.
    expect(ms).toBeLessThan(3 * (500 + 500));
    proxy.resume();
    expect((await waitFor(async () => (await node.call(CREATE, {}, user.headers)).data)).createTask.id).toBeTruthy();
  });

  test('a statement that waits for a lock is UNAVAILABLE when its time is up', async () => {
    await using app = await setupApi({ settings: { DATABASE_TIMEOUT_MS: '1000' } });
    const user = await app.user();
    const holding = async (transaction: Pick<typeof app.database, '$executeRaw'>) => {
      await transaction.$executeRaw`LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE`;
      expect(errorOf(await user.call(CREATE))).toEqual({ code: 'UNAVAILABLE' });
    };
    // It must hold the lock for longer than the statement waits.
    await app.database.$transaction(holding, { timeout: 20_000 });
    expect((await user.call(CREATE)).data.createTask.id).toBeTruthy();
  });
});

describe('while Redis is down', () => {
  test('tasks are accepted and watched, counts are UNAVAILABLE, types are the last known', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setupApi({ redis });
    const user = await app.user();
    await redis.kill();
    const [answer, ms] = await took(user.call(CREATE));
    expect(ms).toBeLessThan(2_000);
    const { id } = answer.data.createTask;
    expect((await user.call(`{ task(id: "${id}") { status } }`)).data.task).toEqual({ status: 'QUEUED' });
    expect(errorOf(await user.call(QUEUES))).toEqual({ code: 'UNAVAILABLE' });
    expect(errorOf(await user.call('{ workers { id } }'))).toEqual({ code: 'UNAVAILABLE' });
    expect((await user.call('{ taskTypes { type } }')).data.taskTypes).toEqual([]);
    const watch = await subscribe(app.yoga, user.headers, `subscription { taskUpdated(id: "${id}") { status } }`);
    expect(await watch.take(1)).toEqual([{ status: 'QUEUED' }]);
    await redis.start();
    await waitFor(async () => (await user.call(QUEUES)).data);
  });

  test('a Redis that hangs holds up a submission no longer than a command may take', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setupApi({ redis, settings: { REDIS_TIMEOUT_MS: '300' } });
    const user = await app.user();
    redis.pause();
    const [answer, ms] = await took(user.call(CREATE));
    redis.resume();
    expect(answer.data.createTask.id).toBeTruthy();
    expect(ms).toBeLessThan(2_000);
  });
});

describe('an address where nothing listens', () => {
  test('is an outage, too', async () => {
    await using app = await setupApi();
    const user = await app.user();
    const url = new URL(app.databaseUrl);
    url.port = String(await freePort());
    await using node = await openNode({ ...app, config: { ...app.config, DATABASE_URL: url.href } });
    expect(errorOf(await node.call(CREATE, {}, user.headers))).toEqual({ code: 'UNAVAILABLE' });
  });
});
