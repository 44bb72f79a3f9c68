import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, openNode, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';
import { waitFor } from '../support/setup.ts';
import { subscribe, type Watch } from '../support/sockets.ts';

let app: ApiApp;

beforeAll(async () => {
  app = await setupApi();
});
afterAll(() => app.close());

const FIELDS = `at windowMs rates { submitted started completed failed cancelled } tasks { queued scheduled processing failed }
  completion { count p50Ms p99Ms } queueWait { count p50Ms p99Ms }`;
const OWN = `subscription { statisticsUpdated { ${FIELDS} } }`;
const EVERYBODY = `subscription { statisticsUpdated(everybody: true) { ${FIELDS} } }`;

let queues = 0;
const submit = async (who: TestUser, more: Record<string, unknown> = {}) => {
  const input = { type: 'echo', queue: `statistics-${++queues}`, ...more };
  const { data } = await who.call('mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }', {
    input,
  });
  return { id: data.createTask.id as string, type: input.type, queue: input.queue };
};

// biome-ignore lint/suspicious/noExplicitAny: what the query asks for.
type Message = any;

/** Adds up what happened, message by message, until `isEnough`. */
const addUp = async (watch: Watch, isEnough: (sums: Record<string, number>, message: Message) => boolean) => {
  const sums: Record<string, number> = { submitted: 0, started: 0, completed: 0, failed: 0, cancelled: 0, waits: 0 };
  for (;;) {
    const [message]: Message[] = await watch.take(1);
    for (const [name, rate] of Object.entries<number>(message.rates)) {
      sums[name] = (sums[name] ?? 0) + Math.round((rate * message.windowMs) / 1_000);
    }
    sums.waits = (sums.waits ?? 0) + (message.queueWait?.count ?? 0);
    if (isEnough(sums, message)) return { sums, message };
  }
};

describe('statisticsUpdated', () => {
  test('says at once how tasks stand, and then what happened to them', async () => {
    const user = await app.user();
    const waiting = await submit(user);
    await submit(user, { runAt: '2999-01-01T00:00:00Z' });
    const watch = await subscribe(app.yoga, user.headers, OWN);
    expect((await watch.take(1))[0]).toMatchObject({
      windowMs: 0,
      rates: { submitted: 0, started: 0 },
      tasks: { queued: 1, scheduled: 1, processing: 0, failed: 0 },
      completion: null,
      queueWait: null,
    });
    await app.live.begin(waiting);
    await app.live.complete(waiting);
    const failing = await submit(user);
    await app.live.begin(failing);
    await app.live.fail(failing);
    await app.live.begin(await submit(user));
    const { sums } = await addUp(watch, ({ started }) => started === 3);
    expect(sums).toMatchObject({ submitted: 2, started: 3, completed: 1, failed: 1, cancelled: 0, waits: 3 });
    const { message } = await addUp(watch, (_sums, { tasks }) => tasks.processing === 1);
    expect(message.tasks).toEqual({ queued: 0, scheduled: 1, processing: 1, failed: 1 });
  });

  test("is of the caller's own tasks, on every node; those of everybody are for admins who ask", async () => {
    await using node = await openNode(app);
    const [one, other, admin] = [await app.user(), await app.user(), await app.admin()];
    const watches = await Promise.all([
      subscribe(app.yoga, one.headers, OWN),
      subscribe(node.yoga, one.headers, OWN),
      subscribe(node.yoga, admin.headers, EVERYBODY),
      subscribe(app.yoga, admin.headers, OWN),
    ]);
    const before = (await Promise.all(watches.map((watch) => watch.take(1)))).map(([message]) => message.tasks);
    for (const who of [one, other, other]) await submit(who);
    // The last one shows that what is awaited below came before.
    await submit(admin);
    const seen = await Promise.all([
      addUp(watches[0] as Watch, ({ submitted }) => submitted === 1),
      addUp(watches[1] as Watch, ({ submitted }) => submitted === 1),
      addUp(watches[2] as Watch, ({ submitted }) => submitted === 4),
      addUp(watches[3] as Watch, ({ submitted }) => submitted === 1),
    ]);
    for (const [i, more] of [1, 1, 4, 1].entries()) {
      const settled = await addUp(watches[i] as Watch, (_sums, { tasks }) => tasks.queued === before[i].queued + more);
      expect(settled.sums.submitted).toBe(0);
    }
    expect(seen.map(({ sums }) => sums.submitted)).toEqual([1, 1, 4, 1]);
  });

  test.each(['a user', 'an API key of an admin'])('does not tell %s of everybody', async (who) => {
    const headers = who === 'a user' ? (await app.user()).headers : await app.keyOf(await app.admin(), ['TASKS_READ']);
    const refused = await subscribe(app.yoga, headers, EVERYBODY).then(
      () => undefined,
      (error) => error,
    );
    expect(errorOf(refused)).toEqual({ code: 'FORBIDDEN' });
  });

  test('shows a second subscriber the last message at once, and the same ones from then on', async () => {
    const user = await app.user();
    const first = await subscribe(app.yoga, user.headers, OWN);
    const [, message] = await first.take(2);
    const second = await subscribe(app.yoga, user.headers, OWN);
    expect(await second.take(1)).toEqual([message]);
    expect(await second.take(1)).toEqual(await first.take(1));
  });

  test('comes once a second, also when nothing happens, and then does not read each time', async () => {
    const user = await app.user();
    const watch = await subscribe(app.yoga, user.headers, OWN);
    // The counts that were read at the beginning may not have been settled.
    await watch.take(3);
    const queries = recordQueries();
    const [a, b] = await watch.take(2);
    expect(b.windowMs).toBeGreaterThanOrEqual(900);
    expect(Date.parse(b.at)).toBeGreaterThan(Date.parse(a.at));
    // Every five seconds it does.
    expect(queries.filter((text) => text.includes('dead_letters')).length).toBeLessThan(2);
  });

  test('counts what happened while the connection to Redis was cut', async () => {
    const user = await app.user();
    const watch = await subscribe(app.yoga, user.headers, OWN);
    await watch.take(1);
    for (const { redis } of app.broker.lanes) await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    for (let i = 0; i < 5; i++) await submit(user);
    const { sums } = await addUp(watch, ({ submitted }) => (submitted ?? 0) >= 5);
    expect(sums.submitted).toBe(5);
  });

  test('listens to no channel any more once nobody watches', async () => {
    const admin = await app.admin();
    const channels = async () => {
      const found = (await app.broker.low.redis.pubsub('CHANNELS', `${app.broker.prefix}:*:realtime:*`)) as string[];
      return found.length;
    };
    await using node = await openNode(app);
    const watch = await subscribe(node.yoga, admin.headers, EVERYBODY);
    await watch.take(1);
    expect(await channels()).toBe(32);
    await watch.stop();
    await waitFor(async () => (await channels()) < 32, { what: 'the channels are left' });
  });
});
