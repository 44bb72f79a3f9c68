import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, openNode, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
});
afterAll(() => app.close());

let queues = 0;

/** A task in a queue of its own. */
const submit = async (more: Record<string, unknown> = {}, who = user) => {
  const input = { type: 'echo', queue: `q${++queues}`, payload: { n: queues }, ...more };
  const { data } = await who.call('mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }', {
    input,
  });
  return { id: data.createTask.id as string, type: input.type, queue: input.queue };
};

const begin = (query: string, variables = {}, who = user, node: Pick<ApiApp, 'yoga'> = app) =>
  subscribe(node.yoga, who.headers, query, variables);
const UPDATED =
  'subscription ($id: ID!) { taskUpdated(id: $id) { status attempt workerId result error { message } startedAt finishedAt payload } }';
const EVENTS =
  'subscription ($id: ID!, $afterSeq: Int) { taskEvents(id: $id, afterSeq: $afterSeq) { taskId seq status attempt workerId detail } }';
const CHANGES = `subscription ($where: TaskWhere, $after: String) {
  taskChanges(where: $where, after: $after) { cursor event { taskId seq status detail } task { id status attempt tags priority result startedAt createdAt payload } }
}`;
const PLAIN_CHANGES =
  'subscription ($where: TaskWhere, $after: String) { taskChanges(where: $where, after: $after) { cursor event { taskId seq status } } }';

describe('taskUpdated', () => {
  test('shows the task as it is, then every state until it ends', async () => {
    const task = await submit();
    const watch = await begin(UPDATED, { id: task.id });
    expect(await watch.take(1)).toMatchObject([
      { status: 'QUEUED', attempt: 0, startedAt: null, payload: { n: queues } },
    ]);
    await app.live.begin(task);
    await app.live.complete(task, { sum: 3 });
    const [processing, completed] = await watch.rest();
    expect(processing).toMatchObject({ status: 'PROCESSING', attempt: 1, workerId: 'worker-1', result: null });
    expect(completed).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      result: { sum: 3 },
      startedAt: processing.startedAt,
    });
    const { data } = await user.call(
      `{ task(id: "${task.id}") { status attempt workerId result error { message } startedAt finishedAt payload } }`,
    );
    expect(completed).toEqual(data.task);
  });

  test('shows the last state of a task that has ended, and completes', async () => {
    const task = await submit();
    await app.live.begin(task);
    await app.live.fail(task);
    const watch = await begin(UPDATED, { id: task.id });
    expect(await watch.rest()).toMatchObject([{ status: 'FAILED', error: { message: 'it broke' } }]);
  });

  test('finds what was committed but never published', async () => {
    const task = await submit();
    const watch = await begin(UPDATED, { id: task.id });
    await watch.take(1);
    await app.live.begin(task);
    const silent = await submit();
    await app.live.record(app.broker.shardFor('NORMAL', silent.id));
    await app.live.complete(task);
    expect((await watch.rest()).map(({ status }) => status)).toEqual(['PROCESSING', 'COMPLETED']);
  });

  test.each([
    ['an id that is no UUID', '42', { code: 'BAD_USER_INPUT', field: 'id' }],
    ['a task that does not exist', '01900000-0000-7000-8000-000000000000', { code: 'NOT_FOUND' }],
  ])('refuses %s', async (_what, id, expected) => {
    const refused = await begin(UPDATED, { id }).then(
      () => undefined,
      (error) => error,
    );
    expect(errorOf(refused)).toEqual(expected);
  });

  test('costs no database read for a delivered transition', async () => {
    const task = await submit();
    const watch = await begin(UPDATED, { id: task.id });
    await watch.take(1);
    const queries = recordQueries();
    await app.live.begin(task);
    await app.live.complete(task);
    await watch.rest();
    expect(queries.filter((sql) => sql.startsWith('SELECT') && !sql.includes('feeds.base'))).toEqual([]);
  });
});

describe('taskEvents', () => {
  test('begins with past transitions and goes on with the coming ones', async () => {
    const task = await submit();
    await app.live.begin(task);
    const watch = await begin(EVENTS, { id: task.id });
    expect((await watch.take(2)).map(({ seq, status }) => [seq, status])).toEqual([
      [1, 'QUEUED'],
      [2, 'PROCESSING'],
    ]);
    await app.live.fail(task, { message: 'try again' }, 60_000);
    expect(await watch.take(1)).toEqual([
      {
        taskId: task.id,
        seq: 3,
        status: 'SCHEDULED',
        attempt: 1,
        workerId: 'worker-1',
        detail: { message: 'try again' },
      },
    ]);
  });

  test('resumes after a seq, and completes after the last', async () => {
    const task = await submit();
    await app.live.begin(task);
    const watch = await begin(EVENTS, { id: task.id, afterSeq: 1 });
    await app.live.complete(task);
    expect((await watch.rest()).map(({ seq }) => seq)).toEqual([2, 3]);
    expect((await (await begin(EVENTS, { id: task.id, afterSeq: 2 })).rest()).map(({ seq }) => seq)).toEqual([3]);
    expect(await (await begin(EVENTS, { id: task.id, afterSeq: 3 })).rest()).toEqual([]);
  });

  test('refuses a negative seq', async () => {
    const task = await submit();
    const refused = await begin(EVENTS, { id: task.id, afterSeq: -1 }).then(
      () => undefined,
      (error) => error,
    );
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'afterSeq' });
  });
});

describe('taskChanges', () => {
  test('shows every transition of all tasks, in order, with the task as of it', async () => {
    const other = await app.user();
    const watch = await begin(CHANGES, {}, other);
    const one = await submit({ tags: ['a'], priority: 'LOW' }, other);
    const two = await submit({}, other);
    await app.live.begin(one);
    await app.live.complete(one, 7);
    const seen = await watch.take(4);
    expect(
      seen.map(({ cursor, event, task }) => [cursor, event.taskId, event.seq, event.status, task.status, task.attempt]),
    ).toEqual([
      ['1', one.id, 1, 'QUEUED', 'QUEUED', 0],
      ['2', two.id, 1, 'QUEUED', 'QUEUED', 0],
      ['3', one.id, 2, 'PROCESSING', 'PROCESSING', 1],
      ['4', one.id, 3, 'COMPLETED', 'COMPLETED', 1],
    ]);
    expect(seen[3].task).toMatchObject({ tags: ['a'], priority: 'LOW', result: 7, startedAt: seen[2].task.startedAt });
    expect(seen[0].task.payload).toEqual({ n: queues - 1 });
    expect(seen[0].task).toMatchObject({ startedAt: null, result: null });
  });

  test('goes on without a gap from the cursor that was asked for before', async () => {
    const other = await app.user();
    const cursor = async () => (await other.call('{ taskChangesCursor }')).data.taskChangesCursor;
    expect(await cursor()).toBe('0');
    const task = await submit({}, other);
    const after = await cursor();
    await app.live.begin(task);
    const watch = await begin(PLAIN_CHANGES, { after }, other);
    expect(await watch.take(1)).toEqual([{ cursor: '2', event: { taskId: task.id, seq: 2, status: 'PROCESSING' } }]);
    expect(await cursor()).toBe('2');
  });

  test("shows an admin's login the changes of the owner that it names, from their cursor on", async () => {
    const [other, admin] = [await app.user(), await app.admin()];
    const task = await submit({}, other);
    const { data } = await admin.call('query ($id: ID) { taskChangesCursor(ownerId: $id) }', { id: other.id });
    expect(data).toEqual({ taskChangesCursor: '1' });
    await app.live.begin(task);
    const query = `subscription ($ownerId: ID, $after: String) {
      taskChanges(where: { ownerId: $ownerId }, after: $after) { cursor event { taskId status } task { ownerId } }
    }`;
    for (const ownerId of [other.id, other.id.toUpperCase()]) {
      const watch = await begin(query, { ownerId, after: data.taskChangesCursor }, admin);
      expect(await watch.take(1)).toEqual([
        { cursor: '2', event: { taskId: task.id, status: 'PROCESSING' }, task: { ownerId: other.id } },
      ]);
    }
    const own = await begin(query, { ownerId: other.id, after: '1' }, other);
    expect((await own.take(1))[0].cursor).toBe('2');
  });

  test('resumes after a cursor, on another node, and misses nothing', async () => {
    const other = await app.user();
    const task = await submit({ tags: ['x'] }, other);
    await app.live.begin(task);
    await app.live.fail(task, { message: 'first' }, 60_000);
    await using node = await openNode(app);
    const watch = await begin(CHANGES, { after: '1' }, other, node);
    const second = await submit({}, other);
    const seen = await watch.take(3);
    expect(seen.map(({ cursor, event }) => [cursor, event.taskId, event.status])).toEqual([
      ['2', task.id, 'PROCESSING'],
      ['3', task.id, 'SCHEDULED'],
      ['4', second.id, 'QUEUED'],
    ]);
    expect(seen[0].task).toMatchObject({ status: 'PROCESSING', attempt: 1, tags: ['x'] });
    expect(seen[1].task).toMatchObject({ status: 'SCHEDULED', startedAt: seen[0].task.startedAt });
  });

  const runOne = async (more: Record<string, unknown>, who: TestUser) => {
    const task = await submit(more, who);
    await app.live.begin(task);
    await app.live.complete(task);
    return task;
  };
  const seqsOf = async (watch: Awaited<ReturnType<typeof begin>>, count: number) =>
    (await watch.take(count)).map(({ event }) => [event.taskId, event.seq]);

  test.each([
    ['the status of the transition', { status: ['COMPLETED'] }, [3], {}, 3],
    ['a type', { type: ['other'] }, [], { type: 'other' }, 1],
    ['a tag', { tags: ['wanted'] }, [1, 2, 3], { tags: ['wanted'] }, 1],
    ['a tag that it has not', { tags: ['wanted', 'unwanted'] }, [], { tags: ['wanted', 'unwanted'] }, 1],
    ['a time', { createdAfter: '2020-01-01T00:00:00Z', status: ['PROCESSING'] }, [2], {}, 2],
  ])('keeps to %s', async (_what, where, seqs, matching, firstSeq) => {
    const other = await app.user();
    const live = await begin(PLAIN_CHANGES, { where }, other);
    const task = await runOne({ tags: ['wanted'] }, other);
    // A last one that matches shows that nothing else came before it.
    const last = await runOne(matching, other);
    const past = await begin(PLAIN_CHANGES, { where, after: '0' }, other);
    for (const watch of [live, past]) {
      const expected = [...seqs.map((seq) => [task.id, seq]), [last.id, firstSeq]];
      expect(await seqsOf(watch, expected.length)).toEqual(expected);
      await watch.stop();
    }
  });

  test('keeps to a time that is later than that of some tasks', async () => {
    const other = await app.user();
    const early = await submit({}, other);
    const { createdAt } = await app.factory.task(early.id);
    const where = { createdAfter: new Date(createdAt.getTime() + 1).toISOString() };
    const live = await begin(PLAIN_CHANGES, { where }, other);
    await app.live.begin(early);
    await app.live.complete(early);
    const late = await submit({}, other);
    const past = await begin(PLAIN_CHANGES, { where, after: '0' }, other);
    for (const watch of [live, past]) {
      expect(await seqsOf(watch, 1)).toEqual([[late.id, 1]]);
      await watch.stop();
    }
  });

  test('costs no database read for a delivered transition, whatever is shown of the task', async () => {
    const other = await app.user();
    const query =
      'subscription { taskChanges(where: { tags: ["t"] }) { cursor task { id status tags startedAt result error { message } } } }';
    const watches = await Promise.all([begin(query, {}, other), begin(query, {}, other)]);
    const task = await submit({ tags: ['t'] }, other);
    for (const watch of watches) await watch.take(1);
    const queries = recordQueries();
    await app.live.begin(task);
    await app.live.complete(task);
    for (const watch of watches)
      expect((await watch.take(2)).map((change) => change.task.status)).toEqual(['PROCESSING', 'COMPLETED']);
    expect(queries.filter((sql) => /FROM (tasks|task_events)\b/.test(sql))).toEqual([]);
  });

  test('reads tasks of which it has not seen the beginning once, many together', async () => {
    const other = await app.user();
    const tasks = [await submit({}, other), await submit({}, other), await submit({}, other)];
    await using node = await openNode(app);
    const queries = recordQueries();
    const watch = await begin('subscription { taskChanges(after: "0") { task { id tags } } }', {}, other, node);
    expect((await watch.take(3)).map(({ task }) => task.id)).toEqual(tasks.map(({ id }) => id));
    // The first transitions say all of it.
    expect(queries.filter((sql) => /FROM tasks WHERE id = ANY/.test(sql))).toHaveLength(0);
    const later = await begin(
      'subscription { taskChanges(where: { status: [PROCESSING] }) { task { id tags } } }',
      {},
      other,
      app,
    );
    for (const task of tasks) await app.live.begin(task);
    await later.take(3);
    expect(queries.filter((sql) => /FROM tasks WHERE id = ANY/.test(sql)).length).toBeLessThanOrEqual(3);
  });

  test.each(['x', '-1', '1.5', '', '9'.repeat(20)])('refuses the cursor "%s"', async (after) => {
    const refused = await begin(CHANGES, { after }).then(
      () => undefined,
      (error) => error,
    );
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'after' });
  });

  test('refuses a filter with ids that are none', async () => {
    const refused = await begin(CHANGES, { where: { ids: ['x'] } }).then(
      () => undefined,
      (error) => error,
    );
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'where.ids.0' });
  });
});

describe('a subscriber that falls behind', () => {
  test('is cut off with SLOW_CONSUMER and can resume', async () => {
    await using narrow = await setupApi({ settings: { SUBSCRIBER_BUFFER: '10' } });
    const other = await narrow.user();
    const watch = await subscribe(narrow.yoga, other.headers, PLAIN_CHANGES, {});
    const inputs = Array.from({ length: 30 }, () => ({ type: 'echo' }));
    const first = watch.next();
    await other.call('mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }', { inputs });
    let cursor = (await first)?.data.taskChanges.cursor as string;
    let ended: unknown;
    while (!ended) {
      const result = await watch.next().catch((error: unknown) => {
        ended = error;
        return undefined;
      });
      if (result) cursor = result.data.taskChanges.cursor;
    }
    expect(ended).toMatchObject({ extensions: { code: 'SLOW_CONSUMER', limit: 10 } });
    const resumed = await subscribe(narrow.yoga, other.headers, PLAIN_CHANGES, { after: cursor });
    const rest = await resumed.take(30 - Number(cursor));
    expect(rest.map((change) => Number(change.cursor))).toEqual(
      Array.from({ length: 30 - Number(cursor) }, (_, i) => Number(cursor) + 1 + i),
    );
  });
});
