import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
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

const create = async (name: string, user = owner): Promise<string> => {
  const create = 'mutation ($input: CreateScheduleInput!) { createSchedule(input: $input) { id } }';
  return (await user.call(create, { input: { name, cron: '@yearly', type: 'echo' } })).data.createSchedule.id;
};
const act = (what: 'pauseSchedule' | 'deleteSchedule', id: string) =>
  owner.call(`mutation ($id: ID!) { ${what}(id: $id) { id } }`, { id });
const rename = (id: string, name: string) =>
  owner.call('mutation ($id: ID!, $name: String!) { updateSchedule(id: $id, input: { name: $name }) { id } }', {
    id,
    name,
  });

describe('scheduleUpdated', () => {
  const WATCH = 'subscription ($id: ID!) { scheduleUpdated(id: $id) { name isPaused nextRuns(count: 1) lastRunAt } }';
  const watch = (id: string) => subscribe(app.yoga, owner.headers, WATCH, { id });

  test('shows it as it is, then each change, then that it is gone', async () => {
    const id = await create('first name');
    await using watched = await watch(id);
    const due = [expect.stringMatching(/-01-01T00:00:00.000Z$/)];
    expect(await watched.take(1)).toEqual([{ name: 'first name', isPaused: false, nextRuns: due, lastRunAt: null }]);
    await rename(id, 'second name');
    expect(await watched.take(1)).toMatchObject([{ name: 'second name', isPaused: false }]);
    await act('pauseSchedule', id);
    expect(await watched.take(1)).toMatchObject([{ name: 'second name', isPaused: true, nextRuns: [] }]);
    await act('deleteSchedule', id);
    expect(await watched.take(1)).toEqual([null]);
  });

  test('refuses an id that is none', async () => {
    const refused = await watch('x').catch((error) => error);
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'id' });
  });
});

describe('schedulesUpdated', () => {
  const WATCH = `subscription ($first: Int, $after: String) {
    schedulesUpdated(first: $first, after: $after) { edges { node { name } } pageInfo { hasNextPage endCursor } }
  }`;
  const watch = (user: TestUser, variables = {}) => subscribe(app.yoga, user.headers, WATCH, variables);
  const namesOf = ({ edges }: { edges: { node: { name: string } }[] }) => edges.map(({ node }) => node.name);

  test('shows the page that was asked for, and again when it is another', async () => {
    const ids = [await create('first'), await create('second'), await create('third')];
    await using top = await watch(owner, { first: 1 });
    const [newest] = await top.take(1);
    expect(namesOf(newest)).toEqual(['third']);
    expect(newest.pageInfo.hasNextPage).toBe(true);
    await using rest = await watch(owner, { after: newest.pageInfo.endCursor });
    expect(namesOf((await rest.take(1))[0])).toEqual(['second', 'first']);
    await create('fourth');
    expect(namesOf((await top.take(1))[0])).toEqual(['fourth']);
    await rename(ids[0] as string, 'renamed');
    expect(namesOf((await rest.take(1))[0])).toEqual(['second', 'renamed']);
    await act('deleteSchedule', ids[1] as string);
    expect(namesOf((await rest.take(1))[0])).toEqual(['renamed']);
  });

  test("shows an admin everybody's", async () => {
    await create('of a user');
    await using watched = await watch(await app.admin(), { first: 1 });
    expect(namesOf((await watched.take(1))[0])).toEqual(['of a user']);
    await create('of another', await app.user());
    expect(namesOf((await watched.take(1))[0])).toEqual(['of another']);
  });

  test.each([
    ['a page that is too large', { first: 101 }, { field: 'first', limit: 100 }],
    ['a cursor that is none', { after: 'x' }, { field: 'after' }],
  ])('refuses %s', async (_what, variables, expected) => {
    const refused = await watch(owner, variables).catch((error) => error);
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });
});
