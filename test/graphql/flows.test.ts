import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveDependencies } from '../../src/tasks/resolve-dependencies.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { findContradictions } from '../support/invariants.ts';
import { recordQueries } from '../support/queries.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let owner: TestUser;
let queues = 0;

beforeAll(async () => {
  app = await setupApi();
  owner = await app.user();
});
afterAll(() => app.close());

interface Node {
  name: string;
  dependsOn?: string[];
  [field: string]: unknown;
}

interface Made {
  id: string;
  /** By name. */
  tasks: Record<string, { id: string; type: string; queue: string; status: string }>;
}

const CREATE = `mutation ($input: CreateFlowInput!) {
  createFlow(input: $input) { id name tasks { name task { id type queue status } } }
}`;

/** Each task stands in a queue of its own, so that it can be claimed alone. */
const create = async (nodes: Node[], user = owner): Promise<Made> => {
  const tasks = nodes.map((node) => ({ type: 'echo', queue: `q${queues++}`, ...node }));
  const { data, errors } = await user.call(CREATE, { input: { name: 'graph', tasks } });
  if (errors) throw new Error(JSON.stringify(errors));
  const { id, tasks: made } = data.createFlow;
  return { id, tasks: Object.fromEntries(made.map(({ name, task }: { name: string; task: object }) => [name, task])) };
};
const refused = async (nodes: Node[]) => {
  const tasks = nodes.map((node) => ({ type: 'echo', ...node }));
  return owner.call(CREATE, { input: { name: 'graph', tasks } });
};
const node = (name: string, ...dependsOn: string[]): Node => ({ name, dependsOn });

const resolve = async (): Promise<void> => {
  while ((await resolveDependencies({ ...app.services, logger: silent })) > 0);
};
const run = async (flow: Made, name: string, result: unknown = name): Promise<void> => {
  const task = flow.tasks[name] as Made['tasks'][string];
  await app.live.begin(task);
  await app.live.complete(task, result);
  await resolve();
};
const breakDown = async (flow: Made, name: string): Promise<void> => {
  const task = flow.tasks[name] as Made['tasks'][string];
  await app.live.begin(task);
  await app.live.fail(task);
  await resolve();
};
const statusesOf = async ({ id }: Made): Promise<Record<string, string>> => {
  const { data } = await owner.call(`{ flow(id: "${id}") { tasks { name task { status } } } }`);
  return Object.fromEntries(
    data.flow.tasks.map(({ name, task }: { name: string; task: { status: string } }) => [name, task.status]),
  );
};

describe('a flow', () => {
  test('in the form of a diamond runs from the top to the bottom, with the results of parents by their names', async () => {
    const flow = await create([
      node('bottom', 'left', 'right'),
      node('left', 'top'),
      node('right', 'top'),
      node('top'),
    ]);
    expect(await statusesOf(flow)).toEqual({ bottom: 'WAITING', left: 'WAITING', right: 'WAITING', top: 'QUEUED' });
    await run(flow, 'top');
    expect(await statusesOf(flow)).toMatchObject({ bottom: 'WAITING', left: 'QUEUED', right: 'QUEUED' });
    await run(flow, 'right', { n: 2 });
    expect(await statusesOf(flow)).toMatchObject({ bottom: 'WAITING' });
    await run(flow, 'left', [1]);
    await app.live.begin(flow.tasks.bottom as Made['tasks'][string]);
    const [row] = await app.database.$queryRaw<{ told: unknown }[]>`
      SELECT parent_results AS told FROM tasks WHERE id = ${flow.tasks.bottom?.id}::uuid`;
    expect(row?.told).toEqual({
      left: { taskId: flow.tasks.left?.id, status: 'COMPLETED', result: [1] },
      right: { taskId: flow.tasks.right?.id, status: 'COMPLETED', result: { n: 2 } },
    });
    expect(await findContradictions(app.database)).toEqual([]);
  });

  test('in the form of a chain of twenty runs one after the other', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `step-${i}`);
    const flow = await create(names.map((name, i) => node(name, ...names.slice(Math.max(0, i - 1), i))));
    for (const [i, name] of names.entries()) {
      const waiting = Object.values(await statusesOf(flow)).filter((status) => status === 'WAITING');
      expect(waiting).toHaveLength(19 - i);
      await run(flow, name);
    }
    expect(new Set(Object.values(await statusesOf(flow)))).toEqual(new Set(['COMPLETED']));
  });

  test('of one task and 500 that wait for it sets them all free', async () => {
    const leaves = Array.from({ length: 500 }, (_, i) => node(`leaf-${i}`, 'root'));
    const flow = await create([node('root'), ...leaves, node('join', ...leaves.slice(0, 100).map(({ name }) => name))]);
    await run(flow, 'root');
    const statuses = Object.values(await statusesOf(flow));
    expect(statuses.filter((status) => status === 'QUEUED')).toHaveLength(500);
    expect(statuses.filter((status) => status === 'WAITING')).toHaveLength(1);
  });

  test('gives parents earlier ids than those that wait for them, and keeps the order of its tasks', async () => {
    const flow = await create([node('bottom', 'middle'), node('other'), node('middle', 'top'), node('top')]);
    expect(Object.keys(flow.tasks)).toEqual(['bottom', 'other', 'middle', 'top']);
    const byId = Object.entries(flow.tasks).toSorted(([, a], [, b]) => (a.id < b.id ? -1 : 1));
    expect(byId.map(([name]) => name)).toEqual(['top', 'middle', 'bottom', 'other']);
  });

  test('that loses a task is cancelled below it, but for those that chose to run', async () => {
    const flow = await create([
      node('a'),
      node('b', 'a'),
      node('c', 'b'),
      { ...node('rescue', 'c'), onParentFailure: 'RUN' },
      node('other'),
    ]);
    await breakDown(flow, 'a');
    expect(await statusesOf(flow)).toEqual({
      a: 'FAILED',
      b: 'CANCELLED',
      c: 'CANCELLED',
      rescue: 'QUEUED',
      other: 'QUEUED',
    });
    const { data } = await owner.call(
      `{ flow(id: "${flow.id}") { counts { queued failed cancelled waiting completed } } }`,
    );
    expect(data.flow.counts).toEqual({ queued: 2, failed: 1, cancelled: 2, waiting: 0, completed: 0 });
    expect(
      (await owner.call(`{ task(id: "${flow.tasks.b?.id}") { cancelReason events { detail } } }`)).data.task,
    ).toEqual({
      cancelReason: `The task ${flow.tasks.a?.id}, for which it waited, ended FAILED.`,
      events: [
        { detail: null },
        { detail: expect.objectContaining({ reason: 'PARENT_FAILED', parentId: flow.tasks.a?.id }) },
      ],
    });
  });

  test.each<[string, Node[], { field: string }, RegExp]>([
    [
      'a circle',
      [node('x'), node('a', 'x', 'b'), node('b', 'c'), node('c', 'a')],
      { field: 'input.tasks.1.dependsOn' },
      /a → b → c → a/,
    ],
    ['a task that waits for itself', [node('a', 'a')], { field: 'input.tasks.0.dependsOn' }, /a → a/],
    [
      'a name that is not there',
      [node('a'), node('b', 'a', 'nobody')],
      { field: 'input.tasks.1.dependsOn.1' },
      /no task/,
    ],
    ['a name given twice', [node('a'), node('a')], { field: 'input.tasks.1.name' }, /input\.tasks\.0/],
    ['a parent named twice', [node('a'), node('b', 'a', 'a')], { field: 'input.tasks.1.dependsOn.1' }, /twice/],
    ['a name with a space', [node('a b')], { field: 'input.tasks.0.name' }, /must match/],
    [
      'a task that createTask would refuse',
      [node('a'), { ...node('b'), queue: 'NO' }],
      { field: 'input.tasks.1.queue' },
      /match/,
    ],
    ['no tasks', [], { field: 'input.tasks' }, /at least one/],
  ])('is refused with %s, and nothing is written', async (_name, nodes, details, message) => {
    const before = await app.database.task.count();
    const answer = await refused(nodes);
    expect(errorOf(answer)).toMatchObject({ code: 'BAD_USER_INPUT', ...details });
    expect(answer.errors?.[0]?.message).toMatch(message);
    expect(await app.database.task.count()).toBe(before);
    expect(await app.database.flow.count({ where: { name: 'refused' } })).toBe(0);
  });

  test('is refused with more than a thousand tasks, or a parent too many', async () => {
    const many = Array.from({ length: 1_001 }, (_, i) => node(`n${i}`));
    expect(errorOf(await refused(many))).toMatchObject({ field: 'input.tasks', limit: 1_000 });
    const wide = [...many.slice(0, 101), node('wide', ...many.slice(0, 101).map(({ name }) => name))];
    expect(errorOf(await refused(wide))).toMatchObject({ field: 'input.tasks.101.dependsOn', limit: 100 });
    const dense = many
      .slice(0, 500)
      .map(({ name }, i, all) => node(name, ...all.slice(Math.max(0, i - 100), i).map((parent) => parent.name)));
    expect(errorOf(await refused(dense))).toMatchObject({ field: 'input.tasks', limit: 20_000 });
  });

  test('takes no idempotency keys', async () => {
    const answer = await refused([{ ...node('a'), idempotencyKey: 'key' }]);
    expect(answer.errors?.[0]?.message).toMatch(/idempotencyKey/);
  });
});

describe('cancelTask', () => {
  test('ends a waiting task at once, with what waits for it; its subscribers see that, and each transition once', async () => {
    const flow = await create([node('a'), node('b', 'a'), node('c', 'b')]);
    const { b, c } = flow.tasks;
    const [updates, events, changes] = await Promise.all([
      subscribe(
        app.yoga,
        owner.headers,
        `subscription { taskUpdated(id: "${b?.id}") { status cancelReason finishedAt } }`,
      ),
      subscribe(app.yoga, owner.headers, `subscription { taskEvents(id: "${c?.id}") { seq status } }`),
      subscribe(
        app.yoga,
        owner.headers,
        `subscription { taskChanges(after: "0", where: { ids: ["${b?.id}", "${c?.id}"] }) { event { status seq } task { id status cancelReason } } }`,
      ),
    ]);
    expect(await updates.take(1)).toEqual([{ status: 'WAITING', cancelReason: null, finishedAt: null }]);
    const { data } = await owner.call(
      `mutation { cancelTask(id: "${b?.id}", reason: "not wanted") { status cancelReason } }`,
    );
    expect(data.cancelTask).toEqual({ status: 'CANCELLED', cancelReason: 'not wanted' });
    await resolve();
    expect(await updates.rest()).toEqual([
      { status: 'CANCELLED', cancelReason: 'not wanted', finishedAt: expect.any(String) },
    ]);
    expect(await events.rest()).toEqual([
      { seq: 1, status: 'WAITING' },
      { seq: 2, status: 'CANCELLED' },
    ]);
    expect(await changes.take(4)).toMatchObject([
      { event: { status: 'WAITING' }, task: { id: b?.id } },
      { event: { status: 'WAITING' }, task: { id: c?.id } },
      { event: { status: 'CANCELLED' }, task: { id: b?.id, status: 'CANCELLED', cancelReason: 'not wanted' } },
      { event: { status: 'CANCELLED' }, task: { id: c?.id, status: 'CANCELLED' } },
    ]);
    const again = await owner.call(`mutation { cancelTask(id: "${b?.id}") { id } }`);
    expect(errorOf(again)).toMatchObject({ code: 'CONFLICT' });
  });
});

describe('watching a task that waits', () => {
  test('shows how it is set free, scheduled, and run', async () => {
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    const flow = await create([node('a'), node('b', 'a'), { ...node('later', 'a'), runAt }]);
    const { b, later } = flow.tasks;
    const watches = await Promise.all(
      [b, later].map((task) =>
        subscribe(
          app.yoga,
          owner.headers,
          `subscription { taskUpdated(id: "${task?.id}") { status runAt error { message } } }`,
        ),
      ),
    );
    for (const each of watches) expect(await each.take(1)).toMatchObject([{ status: 'WAITING' }]);
    await run(flow, 'a');
    await run(flow, 'b');
    expect(await watches[0]?.rest()).toMatchObject([
      { status: 'QUEUED' },
      { status: 'PROCESSING' },
      { status: 'COMPLETED' },
    ]);
    expect(await watches[1]?.take(1)).toEqual([{ status: 'SCHEDULED', runAt, error: null }]);
  });
});

describe('reading', () => {
  const PAGE = `{ flows(first: 2) { edges { node { name counts { waiting } tasks(first: 50) {
    name dependsOn task { id status dependsOn(first: 20) { name status task { id } } dependents(first: 50) { id } flow { id } }
  } } } } }`;

  test('shows flows, newest first, and what their tasks wait for', async () => {
    const first = await create([node('a'), node('b', 'a')]);
    const second = await create([node('a'), node('b', 'a'), node('c', 'a', 'b')]);
    const { data } = await owner.call(PAGE);
    const [shown] = data.flows.edges.map((edge: { node: unknown }) => edge.node);
    const { a, b, c } = second.tasks;
    const edge = (name: string, id = '') => ({ name, status: null, task: { id } });
    expect(shown).toEqual({
      name: 'graph',
      counts: { waiting: 2 },
      tasks: [
        {
          name: 'a',
          dependsOn: [],
          task: {
            id: a?.id,
            status: 'QUEUED',
            dependsOn: [],
            dependents: [{ id: b?.id }, { id: c?.id }],
            flow: { id: second.id },
          },
        },
        {
          name: 'b',
          dependsOn: ['a'],
          task: {
            id: b?.id,
            status: 'WAITING',
            dependsOn: [edge('a', a?.id)],
            dependents: [{ id: c?.id }],
            flow: { id: second.id },
          },
        },
        {
          name: 'c',
          dependsOn: ['a', 'b'],
          task: {
            id: c?.id,
            status: 'WAITING',
            dependsOn: [edge('a', a?.id), edge('b', b?.id)],
            dependents: [],
            flow: { id: second.id },
          },
        },
      ],
    });
    const next = await owner.call(`{ flows(first: 1, after: "${second.id}") { edges { node { id } } } }`);
    expect(next.data.flows.edges).toEqual([{ node: { id: first.id } }]);
  });

  test('takes a handful of queries, however many tasks two flows have', async () => {
    const leaves = Array.from({ length: 30 }, (_, i) => node(`leaf-${i}`, 'root'));
    for (let i = 0; i < 2; i++) await create([node('root'), ...leaves]);
    const queries = recordQueries();
    const { data } = await owner.call(PAGE);
    expect(data.flows.edges[1].node.tasks[0].task.dependents).toHaveLength(30);
    // Flows, counts, tasks' names; tasks, dependencies, dependents, flows of tasks; tasks that these lead to, which may come in
    // two lots.
    expect(queries.length).toBeLessThanOrEqual(12);
  });

  test('shows tasks of createTask, too, which have no flow', async () => {
    const { data } = await owner.call(
      'mutation { createTask(input: { type: "echo", queue: "alone" }) { id flow { id } } }',
    );
    const input = { type: 'echo', queue: 'alone', dependsOn: [data.createTask.id] };
    const child = await owner.call(
      'mutation ($input: CreateTaskInput!) { createTask(input: $input) { status flow { id } dependsOn { name onParentFailure status task { id } } } }',
      { input },
    );
    expect(child.data.createTask).toEqual({
      status: 'WAITING',
      flow: null,
      dependsOn: [{ name: null, onParentFailure: 'CANCEL', status: null, task: { id: data.createTask.id } }],
    });
  });

  test('says of a parent how it ended, and null where it is not kept any more', async () => {
    const flow = await create([node('a'), node('b', 'a')]);
    await run(flow, 'a');
    await app.database.task.delete({ where: { id: flow.tasks.a?.id ?? '' } });
    const { data } = await owner.call(
      `{ flow(id: "${flow.id}") { tasks { name task { dependsOn(first: 5) { status task { id } } } } } }`,
    );
    expect(data.flow.tasks).toEqual([
      { name: 'a', task: null },
      { name: 'b', task: { dependsOn: [{ status: 'COMPLETED', task: null }] } },
    ]);
  });

  test('refuses what would take too much', async () => {
    const deep = `{ flows(first: 100) { edges { node { tasks { task { dependents { id } } } } } } }`;
    expect(errorOf(await owner.call(deep))).toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  test('shows nothing of other owners, but everything to an admin', async () => {
    const stranger = await app.user();
    const flow = await create([node('a'), node('b', 'a')]);
    const read = `{ flow(id: "${flow.id}") { tasks { task { id } } } }`;
    expect((await stranger.call(read)).data).toEqual({ flow: null });
    expect((await stranger.call('{ flows { edges { node { id } } } }')).data.flows.edges).toEqual([]);
    expect((await (await app.admin()).call(read)).data.flow.tasks).toHaveLength(2);
  });

  test('with a watch token shows only what it was made for, and no flow', async () => {
    const flow = await create([
      node('a'),
      { ...node('b', 'a'), tags: ['shown'] },
      node('c', 'b'),
      { ...node('d', 'b'), tags: ['shown'] },
    ]);
    const { data } = await owner.call('mutation { createWatchToken(input: { tags: ["shown"] }) { token } }');
    const watcher = { authorization: `Bearer ${data.createWatchToken.token}` };
    const read = (id = '') =>
      app.call(`{ task(id: "${id}") { flow { name } dependsOn { name task { id } } dependents { id } } }`, {}, watcher);
    const { b, d } = flow.tasks;
    expect((await read(b?.id)).data.task).toEqual({ flow: null, dependsOn: [], dependents: [{ id: d?.id }] });
    expect((await read(d?.id)).data.task).toEqual({
      flow: null,
      dependsOn: [{ name: 'b', task: { id: b?.id } }],
      dependents: [],
    });
    expect(errorOf(await app.call(`{ flow(id: "${flow.id}") { id } }`, {}, watcher))).toEqual({ code: 'FORBIDDEN' });
  });
});
