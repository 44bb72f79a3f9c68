import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, openNode, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let owner: TestUser;

beforeAll(async () => {
  app = await setupApi();
  owner = await app.user();
});
afterAll(() => app.close());

const CREATE = 'mutation ($input: CreateWatchTokenInput!) { createWatchToken(input: $input) { token expiresAt } }';

const watcherOf = async (input: Record<string, unknown>, headers = owner.headers): Promise<Record<string, string>> => {
  const { data } = await app.call(CREATE, { input }, headers);
  return { authorization: `Bearer ${data.createWatchToken.token}` };
};

interface Submitted {
  id: string;
  type: string;
  queue: string;
}

const submit = async (queue: string, tags: string[] = [], user = owner): Promise<Submitted> => {
  const input = { type: 'echo', queue, tags };
  const mutation = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id type queue } }';
  return (await user.call(mutation, { input })).data.createTask;
};

const listed = async (headers: Record<string, string>, where = '{}'): Promise<string[]> => {
  const { data } = await app.call(`{ tasks(where: ${where}) { edges { node { id } } } }`, {}, headers);
  return data.tasks.edges.map(({ node }: { node: { id: string } }) => node.id);
};

const taskOf = async (headers: Record<string, string>, id: string) =>
  (await app.call(`{ task(id: "${id}") { id payload events { seq } } }`, {}, headers)).data.task;

describe('a watch token', () => {
  test('shows the tasks with its ids, and those that have all of its tags, and no others of the same owner', async () => {
    const named = await submit('named');
    const tagged = await submit('tagged', ['order-7', 'public', 'more']);
    const hidden = [await submit('hidden'), await submit('hidden', ['order-7']), await submit('hidden', ['public'])];
    const watcher = await watcherOf({ taskIds: [named.id.toUpperCase()], tags: ['order-7', 'public'] });
    for (const { id } of [named, tagged]) expect(await taskOf(watcher, id)).toMatchObject({ id, events: [{ seq: 1 }] });
    for (const { id } of hidden) expect(await taskOf(watcher, id)).toBeNull();
    expect(await listed(watcher)).toEqual([tagged.id, named.id]);
    expect(await listed(watcher, '{ queue: ["hidden", "named"] }')).toEqual([named.id]);
    expect(await listed(watcher, `{ ids: ["${hidden[0]?.id}"] }`)).toEqual([]);
    const later = await submit('tagged', ['public', 'order-7']);
    expect(await listed(watcher)).toContain(later.id);
  });

  test('shows no more where it names its owner, and nothing of an owner whom an admin made it for', async () => {
    const [named, hidden] = [await submit('named-owner'), await submit('named-owner')];
    const watcher = await watcherOf({ taskIds: [named.id] });
    const query = `{ tasks(where: { ownerId: "${owner.id}", queue: ["named-owner"] }) { edges { node { id } } } }`;
    expect((await app.call(query, {}, watcher)).data.tasks.edges).toEqual([{ node: { id: named.id } }]);
    const changes = `subscription { taskChanges(where: { ownerId: "${owner.id}" }, after: "0") { event { taskId } } }`;
    const watch = await subscribe(app.yoga, watcher, changes);
    expect(await watch.take(1)).toEqual([{ event: { taskId: named.id } }]);
    const ofAdmin = await watcherOf({ taskIds: [hidden.id] }, (await app.admin()).headers);
    expect(errorOf(await app.call(query, {}, ofAdmin))).toEqual({ code: 'FORBIDDEN' });
  });

  test('shows nothing of other owners, whatever it names', async () => {
    const other = await app.user();
    const theirs = await submit('theirs', ['shared'], other);
    const watcher = await watcherOf({ taskIds: [theirs.id], tags: ['shared'] });
    expect(await taskOf(watcher, theirs.id)).toBeNull();
    expect(await listed(watcher)).toEqual([]);
  });

  test("of an admin shows the admin's own tasks only", async () => {
    const admin = await app.admin();
    const theirs = await submit('theirs', ['of-another']);
    const watcher = await watcherOf({ taskIds: [theirs.id], tags: ['of-another'] }, admin.headers);
    expect(await taskOf(watcher, theirs.id)).toBeNull();
    expect(await listed(watcher)).toEqual([]);
  });

  test('watches its tasks and refuses to watch others', async () => {
    const [named, hidden] = [await submit('watched'), await submit('hidden')];
    const watcher = await watcherOf({ taskIds: [named.id] });
    const updates = await subscribe(app.yoga, watcher, `subscription { taskUpdated(id: "${named.id}") { status } }`);
    const events = await subscribe(app.yoga, watcher, `subscription { taskEvents(id: "${named.id}") { seq } }`);
    expect(await updates.take(1)).toEqual([{ status: 'QUEUED' }]);
    expect(await events.take(1)).toEqual([{ seq: 1 }]);
    await app.live.begin(named);
    expect(await updates.take(1)).toEqual([{ status: 'PROCESSING' }]);
    expect(await events.take(1)).toEqual([{ seq: 2 }]);
    for (const field of ['taskUpdated', 'taskEvents']) {
      const refused = await subscribe(
        app.yoga,
        watcher,
        `subscription { ${field}(id: "${hidden.id}") { status } }`,
      ).then(
        () => undefined,
        (error) => error,
      );
      expect(errorOf(refused)).toEqual({ code: 'NOT_FOUND' });
    }
  });

  test.each(['event { taskId }', 'event { taskId } task { id }'])(
    'is told of changes of its tasks only, past and to come: { %s }',
    async (selection) => {
      const tag = `tag-${selection.length}`;
      const named = await submit('named');
      await submit('hidden');
      const watcher = await watcherOf({ taskIds: [named.id], tags: [tag] });
      const query = `subscription { taskChanges(after: "0") { ${selection} } }`;
      const changes = await subscribe(app.yoga, watcher, query);
      expect(await changes.take(1)).toMatchObject([{ event: { taskId: named.id } }]);
      await submit('hidden', ['other']);
      const tagged = await submit('tagged', [tag]);
      expect(await changes.take(1)).toMatchObject([{ event: { taskId: tagged.id } }]);
    },
  );

  test('may open a socket or any query, but nothing in it that is not its own', async () => {
    const watcher = await watcherOf({ tags: ['x'] });
    expect((await app.call('{ __typename }', {}, watcher)).data).toEqual({ __typename: 'Query' });
    expect(errorOf(await app.call(CREATE, { input: { tags: ['y'] } }, watcher))).toEqual({ code: 'FORBIDDEN' });
  });
});

describe('the end of a watch token', () => {
  test('is an hour away, or as many minutes as asked for', async () => {
    for (const [minutes, input] of [
      [60, { tags: ['x'] }],
      [5, { tags: ['x'], expiresInMinutes: 5 }],
    ] as const) {
      const { data } = await owner.call(CREATE, { input });
      const left = new Date(data.createWatchToken.expiresAt).getTime() - Date.now();
      expect(left).toBeLessThanOrEqual(minutes * 60_000);
      expect(left).toBeGreaterThan(minutes * 60_000 - 10_000);
    }
  });

  test('comes with that of the API key it was made with, on every node', async () => {
    await using node = await openNode(app);
    const user = await app.user();
    const watcher = await watcherOf({ tags: ['x'] }, await app.keyOf(user, ['TASKS_READ']));
    for (const { call } of [app, node])
      expect((await call('{ tasks { edges { cursor } } }', {}, watcher)).status).toBe(200);
    const { data } = await user.call('{ apiKeys { id } }');
    await user.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: data.apiKeys[0].id });
    expect((await app.call('{ __typename }', {}, watcher)).status).toBe(401);
    await waitFor(async () => (await node.call('{ __typename }', {}, watcher)).status === 401, { timeoutMs: 3_000 });
  });

  test('comes with a change of the password of the login it was made with, but not of an API key', async () => {
    const user = await app.user();
    const key = await app.keyOf(user);
    const [ofLogin, ofKey] = [await watcherOf({ tags: ['x'] }, user.headers), await watcherOf({ tags: ['x'] }, key)];
    await user.call(
      'mutation ($current: String!) { changePassword(current: $current, new: "another one") { token } }',
      {
        current: PASSWORD,
      },
    );
    expect((await app.call('{ __typename }', {}, ofLogin)).status).toBe(401);
    expect((await app.call('{ __typename }', {}, ofKey)).status).toBe(200);
  });
});

describe('createWatchToken', () => {
  test('takes an API key that reads tasks', async () => {
    const key = await app.keyOf(owner, ['TASKS_WRITE']);
    expect(errorOf(await app.call(CREATE, { input: { tags: ['x'] } }, key))).toEqual({ code: 'FORBIDDEN' });
  });

  test.each([
    ['nothing to show', {}, { field: 'input.taskIds' }],
    ['empty lists', { taskIds: [], tags: [] }, { field: 'input.taskIds' }],
    ['an id that is none', { taskIds: ['x'] }, { field: 'input.taskIds.0' }],
    ['101 ids', { taskIds: Array.from({ length: 101 }, () => '01900000-0000-7000-8000-000000000000') }, { limit: 100 }],
    ['21 tags', { tags: Array.from({ length: 21 }, (_, i) => `tag${i}`) }, { field: 'input.tags', limit: 20 }],
    ['an empty tag', { tags: [''] }, { field: 'input.tags.0' }],
    ['a tag with NUL', { tags: ['a\0'] }, { field: 'input.tags.0' }],
    ['no time', { tags: ['x'], expiresInMinutes: 0 }, { field: 'input.expiresInMinutes' }],
    ['more than a day', { tags: ['x'], expiresInMinutes: 1_441 }, { field: 'input.expiresInMinutes', limit: 1_440 }],
  ])('refuses %s', async (_what, input, expected) => {
    expect(errorOf(await owner.call(CREATE, { input }))).toMatchObject({ code: 'BAD_USER_INPUT', ...expected });
  });
});
