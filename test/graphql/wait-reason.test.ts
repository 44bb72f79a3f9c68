import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { heartbeat } from '../../src/broker/calls.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { changeQueue } from '../../src/queues/change-queue.ts';
import { type ApiApp, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';
import { startPrivateRedis } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';
import { startSystem } from '../support/system.ts';
import { waitFor } from '../support/wait-for.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
});
afterAll(() => app.close());

const CREATE = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id type queue } }';
const READ = 'query ($id: ID!) { task(id: $id) { status waitReason { kind until position } } }';

let queues = 0;
/** A queue that no other test uses. */
const newQueue = (): string => `q${queues++}`;

/** Submits tasks; Redis has them when it returns. */
const submit = async (inputs: Record<string, unknown>[], who = user) => {
  const { data } = await who.call(CREATE, { inputs: inputs.map((input) => ({ type: 'echo', ...input })) });
  const tasks = data.createTasks as { id: string; type: string; queue: string }[];
  await app.services.taskWriter.close();
  return tasks;
};

const submitOne = async (input: Record<string, unknown> = {}) => {
  const [task] = await submit([{ queue: newQueue(), ...input }]);
  if (!task) throw new Error('nothing was submitted');
  return task;
};

const reasonOf = async (id: string) => (await user.call(READ, { id })).data.task.waitReason;

const WORKER = { language: 'ada', host: 'box', queues: ['*'], concurrency: 1, running: 0 };
const beat = async (worker: string, description: object, { ttlMs = 60_000, lane = app.broker.low } = {}) => {
  const about = JSON.stringify({ ...WORKER, ...description });
  await heartbeat(lane.shards[0] as Shard, { worker, description: about, ttlMs }, []);
};

describe('a task waits', () => {
  test('until it is due', async () => {
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    const { id } = await submitOne({ runAt });
    expect(await reasonOf(id)).toEqual({ kind: 'NOT_DUE', until: runAt, position: null });
  });

  test('until its next attempt is due', async () => {
    const task = await submitOne();
    await app.live.begin(task);
    const [failed] = await app.live.fail(task, { message: 'not yet' }, 60_000);
    const until = new Date(failed?.runAtMs ?? 0).toISOString();
    expect(await reasonOf(task.id)).toEqual({ kind: 'BACKOFF', until, position: null });
  });

  test('for those that it depends on', async () => {
    const parent = await submitOne();
    const { id } = await submitOne({ dependsOn: [parent.id] });
    expect(await reasonOf(id)).toEqual({ kind: 'DEPENDENCY', until: null, position: null });
  });

  test('for nothing when it runs or has ended', async () => {
    const task = await submitOne();
    await app.live.begin(task);
    expect((await user.call(READ, { id: task.id })).data.task).toEqual({ status: 'PROCESSING', waitReason: null });
    await app.live.complete(task);
    expect((await user.call(READ, { id: task.id })).data.task).toEqual({ status: 'COMPLETED', waitReason: null });
  });

  test.each<[string, object]>([
    ['serves another queue', { queues: ['another'], types: ['lonely'] }],
    ['runs another type', { types: ['another'] }],
  ])('for a worker while every one that lives %s', async (_what, description) => {
    const { id } = await submitOne({ type: 'lonely' });
    await beat('other', description);
    expect(await reasonOf(id)).toEqual({ kind: 'NO_WORKER', until: null, position: null });
    await beat('able', { types: ['lonely', 'another'] }, { lane: app.broker.high });
    expect(await reasonOf(id)).toEqual({ kind: 'BEHIND', until: null, position: 0 });
    await beat('able', { types: ['lonely'] }, { ttlMs: 1, lane: app.broker.high });
    await waitFor(async () => (await reasonOf(id)).kind === 'NO_WORKER', { what: 'the silent worker is missed' });
  });

  test('for a paused queue, with workers or without, until it is resumed', async () => {
    const { id, queue } = await submitOne({ type: 'held' });
    await changeQueue(app.services, queue, { isPaused: true });
    expect(await reasonOf(id)).toEqual({ kind: 'PAUSED', until: null, position: null });
    await beat('holder', { queues: [queue], types: ['held'] });
    expect((await reasonOf(id)).kind).toBe('PAUSED');
    await changeQueue(app.services, queue, { isPaused: false });
    expect((await reasonOf(id)).kind).toBe('BEHIND');
  });
});

describe('the position of a task', () => {
  const PAGE =
    'query ($where: TaskWhere) { tasks(where: $where) { edges { node { id waitReason { kind position } } } } }';

  beforeAll(() => beat('all', {}));

  test('counts its line and those of higher priority, of the same queue and type', async () => {
    const queue = newQueue();
    const tasks = await submit([
      { queue },
      { queue, priority: 'LOW' },
      { queue, type: 'other' },
      { queue },
      { queue, priority: 'HIGH' },
      { queue: newQueue() },
      { queue },
    ]);
    const positions = await Promise.all(tasks.map(async ({ id }) => (await reasonOf(id)).position));
    expect(positions).toEqual([1, 4, 0, 2, 0, 0, 3]);
  });

  test('falls as those before it are taken, and is the same in a page of many', async () => {
    const queue = newQueue();
    const tasks = await submit(Array.from({ length: 20 }, () => ({ queue })));
    const inPage = async () => {
      const { data } = await user.call(PAGE, { where: { queue: [queue], status: ['QUEUED'] } });
      return data.tasks.edges.map(
        ({ node }: { node: { waitReason: { position: number } } }) => node.waitReason.position,
      );
    };
    expect(await inPage()).toEqual(tasks.map((_, i) => 19 - i));
    await app.live.begin(tasks[0] as { id: string; type: string; queue: string });
    expect(await inPage()).toEqual(tasks.slice(1).map((_, i) => 18 - i));
    expect((await reasonOf(tasks[19]?.id ?? '')).position).toBe(18);
  });

  test('is not known for a task that Redis does not have, nor beyond 10,000', async () => {
    const { redis } = app.services.broker.low;
    const { id, queue } = await submitOne();
    const key = `${app.broker.low.shards[0]?.tag}:line:NORMAL|${queue}|echo`;
    await redis.rpush(key, ...Array.from({ length: 9_999 }, (_, i) => `x${i}`));
    expect((await reasonOf(id)).position).toBe(9_999);
    await redis.rpush(key, 'one more');
    expect((await reasonOf(id)).position).toBeNull();
    await redis.del(key);
    expect(await reasonOf(id)).toEqual({ kind: 'BEHIND', until: null, position: null });
  });

  test('costs a page no SQL, and a line one look', async () => {
    const queue = newQueue();
    await submit(Array.from({ length: 30 }, () => ({ queue })));
    const queries = recordQueries();
    const looks = vi.spyOn(app.services.broker.low.redis, 'lrange');
    await user.call(PAGE, { where: { ids: null, queue: [queue] } });
    expect(queries.filter((sql) => !/^(BEGIN|COMMIT)$|set_config/.test(sql))).toHaveLength(1);
    expect(looks).toHaveBeenCalledTimes(1);
    looks.mockRestore();
  });
});

test('subscribers who ask for it are told with each change', async () => {
  const task = await submitOne();
  const document = 'subscription ($id: ID!) { taskUpdated(id: $id) { status waitReason { kind position } } }';
  await using watch = await subscribe(app.yoga, user.headers, document, { id: task.id });
  expect(await watch.take(1)).toEqual([{ status: 'QUEUED', waitReason: { kind: 'BEHIND', position: 0 } }]);
  await app.live.begin(task);
  await app.live.fail(task, { message: 'not yet' }, 60_000);
  expect(await watch.take(2)).toEqual([
    { status: 'PROCESSING', waitReason: null },
    { status: 'SCHEDULED', waitReason: { kind: 'BACKOFF', position: null } },
  ]);
});

test('without Redis the field is UNAVAILABLE, and the rest of the task is there', async () => {
  await using redis = await startPrivateRedis();
  await using alone = await setupApi({ redis });
  const owner = await alone.user();
  const { data } = await owner.call(CREATE, {
    inputs: [{ type: 'echo' }, { type: 'echo', runAt: '2100-01-01T00:00:00Z' }],
  });
  await redis.kill();
  const [queued, later] = data.createTasks as { id: string }[];
  const answer = await owner.call(READ, { id: queued?.id });
  expect(answer.data.task).toEqual({ status: 'QUEUED', waitReason: null });
  expect(answer.errors?.map(({ path, extensions }) => [path, extensions?.code])).toEqual([
    [['task', 'waitReason'], 'UNAVAILABLE'],
  ]);
  const due = await owner.call(READ, { id: later?.id });
  expect(due.data.task.waitReason).toMatchObject({ kind: 'NOT_DUE' });
});

test('real workers and managers: paused, resumed, busy, and dead', async () => {
  await using system = await startSystem();
  await system.start('manager');
  const read = async (id: string) =>
    (await system.graphql<{ task: { waitReason: { kind: string; position: number | null } | null } }>(READ, { id }))
      .task.waitReason;
  const until = (id: string, kind: string) =>
    waitFor(async () => (await read(id))?.kind === kind, { what: `${id} is ${kind}` });
  const [first] = (await system.submit(1, 'echo', 1)) as [string];
  await until(first, 'NO_WORKER');
  const worker = await system.start('worker', { WORKER_CONCURRENCY: '1' });
  await waitFor(async () => (await read(first)) === null, { what: 'the worker takes it' });
  await system.app.database.user.updateMany({ data: { isAdmin: true } });
  await system.graphql('mutation { pauseQueue(name: "held") { isPaused } }');
  const [held] = (await system.submit(1, 'echo', 1, { queue: 'held' })) as [string];
  await until(held, 'PAUSED');
  const [running] = (await system.submit(1, 'sleep', { ms: 60_000 })) as [string];
  await waitFor(async () => (await read(running)) === null, { what: 'the worker is busy' });
  await system.graphql('mutation { resumeQueue(name: "held") { isPaused } }');
  await until(held, 'BEHIND');
  const [second] = (await system.submit(1, 'echo', 1, { queue: 'held' })) as [string];
  await waitFor(async () => (await read(second))?.position === 1, { what: 'it stands behind the other' });
  worker.kill('SIGKILL');
  await until(held, 'NO_WORKER');
}, 60_000);
