import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let owner: TestUser;

beforeAll(async () => {
  app = await setupApi();
});
beforeEach(async () => {
  owner = await app.user();
});
afterAll(() => app.close());

interface Made {
  id: string;
  tasks: { task: { id: string; type: string; queue: string } }[];
}

const CREATE =
  'mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id tasks { task { id type queue } } } }';
const WATCH = `subscription ($first: Int, $after: String) {
  flowsUpdated(first: $first, after: $after) {
    edges { node { id name counts { queued processing completed } } }
    pageInfo { hasNextPage endCursor }
  }
}`;

let queues = 0;

/** Its only task stands in a queue of its own, so that it can be claimed alone. */
const create = async (name: string, user = owner): Promise<Made> => {
  const tasks = [{ name: 'only', type: 'echo', queue: `flows-updated-${queues++}` }];
  return (await user.call(CREATE, { input: { name, tasks } })).data.createFlow;
};
const watch = (user: TestUser, variables = {}) => subscribe(app.yoga, user.headers, WATCH, variables);
const namesOf = ({ edges }: { edges: { node: { name: string } }[] }) => edges.map(({ node }) => node.name);

describe('flowsUpdated', () => {
  test('shows the flows as they are, then each new one, and how their tasks go on', async () => {
    const first = await create('first');
    await using watched = await watch(owner);
    const counts = { queued: 1, processing: 0, completed: 0 };
    expect(await watched.take(1)).toEqual([
      {
        edges: [{ node: { id: first.id, name: 'first', counts } }],
        pageInfo: { hasNextPage: false, endCursor: first.id },
      },
    ]);
    await create('second');
    const [more] = await watched.take(1);
    expect(namesOf(more)).toEqual(['second', 'first']);

    const task = first.tasks[0]?.task as Made['tasks'][number]['task'];
    await app.live.begin(task);
    const [begun] = await watched.take(1);
    expect(begun.edges[1].node.counts).toEqual({ queued: 0, processing: 1, completed: 0 });
    await app.live.complete(task);
    const [ended] = await watched.take(1);
    expect(ended.edges[1].node.counts).toEqual({ queued: 0, processing: 0, completed: 1 });
  });

  test('follows the page that was asked for', async () => {
    for (const name of ['first', 'second', 'third']) await create(name);
    await using top = await watch(owner, { first: 1 });
    const [newest] = await top.take(1);
    expect(namesOf(newest)).toEqual(['third']);
    expect(newest.pageInfo.hasNextPage).toBe(true);
    await using rest = await watch(owner, { after: newest.pageInfo.endCursor });
    expect(namesOf((await rest.take(1))[0])).toEqual(['second', 'first']);
    await create('fourth');
    expect(namesOf((await top.take(1))[0])).toEqual(['fourth']);
  });

  test("shows an admin everybody's", async () => {
    await create('of a user');
    await using watched = await watch(await app.admin(), { first: 1 });
    expect(namesOf((await watched.take(1))[0])).toEqual(['of a user']);
    await create('of another', await app.user());
    expect(namesOf((await watched.take(1))[0])).toEqual(['of another']);
  });

  test('counts the tasks of all flows of a page in one query', async () => {
    for (const name of ['first', 'second', 'third']) await create(name);
    const queries = recordQueries();
    await using watched = await watch(owner);
    await watched.take(1);
    // A page is read at the beginning, and again at once for what happened meanwhile.
    const counting = queries.filter((text) => text.includes('FROM flow_tasks'));
    expect([1, 2]).toContain(counting.length);
  });

  test.each([
    ['a page that is too large', { first: 101 }, { field: 'first', limit: 100 }],
    ['a cursor that is none', { after: 'x' }, { field: 'after' }],
  ])('refuses %s', async (_what, variables, expected) => {
    const refused = await watch(owner, variables).catch((error) => error);
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });
});
