import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi({ settings: { SHARDS_PER_LANE: '3' } });
  user = await app.user();
});
afterAll(() => app.close());

const COUNTS = 'name isPaused counts { scheduled queued processing completed failed }';
const QUEUE = `query ($name: String!) { queue(name: $name) { ${COUNTS} } }`;

const submit = async (
  queue: string,
  count: number,
  more: Record<string, unknown> = {},
): Promise<{ id: string; type: string; queue: string }[]> => {
  const inputs = Array.from({ length: count }, () => ({ type: 'echo', queue, ...more }));
  const { data } = await user.call(
    'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id type queue } }',
    { inputs },
  );
  return data.createTasks;
};

const none = { scheduled: 0, queued: 0, processing: 0, completed: 0, failed: 0 };

describe('queues', () => {
  test('are counted over all shards and lanes, with what ended over the last 24 hours', async () => {
    await submit('busy', 20);
    await submit('busy', 10, { priority: 'HIGH' });
    await submit('busy', 5, { runAt: '2999-01-01T00:00:00Z' });
    await app.database.$executeRaw`INSERT INTO queue_minutes (queue, minute, completed, failed) VALUES
      ('busy', date_trunc('minute', now()), 3, 1), ('busy', date_trunc('minute', now() - interval '23 hours'), 4, 0),
      ('busy', date_trunc('minute', now() - interval '25 hours'), 100, 100), ('calm', date_trunc('minute', now()), 0, 2),
      ('old', date_trunc('minute', now() - interval '25 hours'), 1, 0)`;
    const { data } = await user.call(`{ queues { ${COUNTS} } }`);
    expect(data.queues).toEqual([
      { name: 'busy', isPaused: false, counts: { scheduled: 5, queued: 30, processing: 0, completed: 7, failed: 1 } },
      { name: 'calm', isPaused: false, counts: { ...none, failed: 2 } },
    ]);
    expect((await user.call(QUEUE, { name: 'busy' })).data.queue).toEqual(data.queues[0]);
    expect((await user.call(QUEUE, { name: 'old' })).data.queue).toEqual({
      name: 'old',
      isPaused: false,
      counts: none,
    });
  });

  test('are seen by whoever is signed in', async () => {
    await submit('shared', 1);
    const other = await app.user();
    expect((await other.call(QUEUE, { name: 'shared' })).data.queue.counts).toEqual({ ...none, queued: 1 });
  });

  test('are null where no task ever was', async () => {
    expect((await user.call(QUEUE, { name: 'nobody' })).data.queue).toBeNull();
  });

  test('have names of certain characters', async () => {
    expect(errorOf(await user.call(QUEUE, { name: 'a|b' }))).toEqual({ code: 'BAD_USER_INPUT', field: 'name' });
  });
});

describe('queueUpdated', () => {
  const UPDATED = `subscription ($name: String!) { queueUpdated(name: $name) { ${COUNTS} } }`;
  const watchQueue = (name: string) => subscribe(app.yoga, user.headers, UPDATED, { name });

  test('shows the counts at once, and each change until the last', async () => {
    const watch = await watchQueue('live');
    expect(await watch.take(1)).toEqual([{ name: 'live', isPaused: false, counts: none }]);
    const [task] = await submit('live', 1);
    expect((await watch.take(1))[0].counts).toEqual({ ...none, queued: 1 });
    if (!task) throw new Error('no task');
    await app.live.begin(task);
    expect((await watch.take(1))[0].counts).toEqual({ ...none, processing: 1 });
    await app.live.complete(task);
    expect((await watch.take(1))[0].counts).toEqual({ ...none, completed: 1 });
  });

  test('puts many changes into four a second, and loses not the last', async () => {
    const watch = await watchQueue('burst');
    await watch.take(1);
    const start = performance.now();
    for (let i = 0; i < 40; i++) await submit('burst', 1);
    let seen = 0;
    let last = 0;
    while (last < 40) {
      last = (await watch.take(1))[0].counts.queued;
      seen++;
    }
    expect(seen).toBeLessThanOrEqual(Math.floor((performance.now() - start) / 250) + 2);
  });

  test('reads the counts once for all who watch the same queue', async () => {
    const watches = await Promise.all(Array.from({ length: 20 }, () => watchQueue('crowd')));
    for (const watch of watches) await watch.take(1);
    const queries = recordQueries();
    await submit('crowd', 1);
    for (const watch of watches) expect((await watch.take(1))[0].counts.queued).toBe(1);
    expect(queries.filter((sql) => sql.includes('queue_minutes')).length).toBeLessThanOrEqual(3);
  });

  test('begins with zeros for a queue that nobody has used', async () => {
    expect((await (await watchQueue('new')).take(1))[0].counts).toEqual(none);
  });

  test('refuses a name that cannot be', async () => {
    const refused = await watchQueue('A').then(
      () => undefined,
      (error) => error,
    );
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'name' });
  });
});

describe('oldestQueuedAt', () => {
  const AGE = 'query ($name: String!) { queue(name: $name) { oldestQueuedAt } }';

  test('is when the oldest waiting task was queued, of all lines', async () => {
    const [first] = await submit('aging', 1);
    await submit('aging', 3, { priority: 'HIGH' });
    await submit('aging', 2, { type: 'sleep', payload: { ms: 1 } });
    const hourAgo = new Date(Date.now() - 3_600_000);
    await app.database.taskEvent.updateMany({ where: { taskId: first?.id ?? '' }, data: { at: hourAgo } });
    expect((await user.call(AGE, { name: 'aging' })).data.queue.oldestQueuedAt).toBe(hourAgo.toISOString());
  });

  test('is null where none waits', async () => {
    await submit('later', 1, { runAt: '2999-01-01T00:00:00Z' });
    expect((await user.call(AGE, { name: 'later' })).data.queue.oldestQueuedAt).toBeNull();
  });

  test('is looked for once for all queues of a request', async () => {
    await submit('one', 1);
    await submit('two', 1);
    const queries = recordQueries();
    const { data } = await user.call('{ queues { name oldestQueuedAt } }');
    const waiting = data.queues.filter(({ name }: { name: string }) => ['one', 'two'].includes(name));
    for (const { oldestQueuedAt } of waiting) expect(Date.parse(oldestQueuedAt)).toBeGreaterThan(Date.now() - 60_000);
    expect(queries.filter((sql) => sql.includes('task_events')).length).toBe(1);
  });
});

describe('oldestQueuedAt of watched queues', () => {
  const WATCH = 'subscription ($name: String!) { queueUpdated(name: $name) { counts { queued } oldestQueuedAt } }';
  const begin = (name: string) => subscribe(app.yoga, user.headers, WATCH, { name });

  test('is looked for once for all of them and all their subscribers, as long as none becomes busy', async () => {
    const names = ['watched-1', 'watched-2', 'watched-3'];
    for (const name of names) await submit(name, 1);
    // From here on their ages are known for a second.
    await user.call('{ queues { oldestQueuedAt } }');
    const queries = recordQueries();
    const watches = await Promise.all([...names, ...names].map(begin));
    for (const watch of watches) {
      const [{ oldestQueuedAt }] = (await watch.take(1)) as [{ oldestQueuedAt: string }];
      expect(Date.parse(oldestQueuedAt)).toBeGreaterThan(Date.now() - 60_000);
      await watch.stop();
    }
    expect(queries.filter((sql) => sql.includes('task_events'))).toEqual([]);
  });

  test('fits to the counts when a first task comes, and when the last has gone', async () => {
    const watch = await begin('turning');
    expect(await watch.take(1)).toEqual([{ counts: { queued: 0 }, oldestQueuedAt: null }]);
    await user.call('{ queues { oldestQueuedAt } }');
    const [task] = await submit('turning', 1);
    const [busy] = await watch.take(1);
    expect(busy).toEqual({ counts: { queued: 1 }, oldestQueuedAt: expect.any(String) });
    await user.call(`mutation { cancelTask(id: "${task?.id}") { id } }`);
    expect(await watch.take(1)).toEqual([{ counts: { queued: 0 }, oldestQueuedAt: null }]);
    await watch.stop();
  });
});

describe('queuesUpdated', () => {
  test('lists the queues at once, and again when one comes or changes', async () => {
    const watch = await subscribe(
      app.yoga,
      user.headers,
      'subscription { queuesUpdated { name oldestQueuedAt counts { queued } } }',
    );
    const find = (queues: { name: string; oldestQueuedAt: string | null; counts: { queued: number } }[]) =>
      queues.find(({ name }) => name === 'fresh');
    expect(find((await watch.take(1))[0])).toBeUndefined();
    await submit('fresh', 2);
    let queue = find((await watch.take(1))[0]);
    while (queue?.counts.queued !== 2) queue = find((await watch.take(1))[0]);
    expect(Date.parse(queue.oldestQueuedAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
  });
});
