import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { recordQueries } from '../support/queries.ts';

let app: ApiApp;
let user: TestUser;
let id: string;

const LOGS = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  task(id: $id) {
    logs(first: $first, after: $after, last: $last, before: $before) {
      edges { node { message } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}`;

const page = async (variables: Record<string, unknown> = {}) => {
  const { data } = await user.call(LOGS, { id, ...variables });
  const { edges, pageInfo } = data.task.logs;
  return { lines: edges.map(({ node }: { node: { message: string } }) => node.message).join(' '), ...pageInfo };
};

/** Three lines of a first attempt, and three of a second one. */
beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
  const { data } = await user.call('mutation { createTask(input: { type: "echo" }) { id } }');
  id = data.createTask.id;
  const lines = [1, 2].flatMap((attempt) =>
    [1, 2, 3].map((number) => ({
      taskId: id,
      claimedAtSeq: attempt * 2,
      number,
      attempt,
      at: new Date(),
      record: { level: 'info', message: `${attempt}.${number}` },
    })),
  );
  await app.database.taskLog.createMany({ data: lines });
});
afterAll(() => app.close());

describe('pages of log lines', () => {
  test('go from the first to the last', async () => {
    expect(await page()).toMatchObject({
      lines: '1.1 1.2 1.3 2.1 2.2 2.3',
      hasNextPage: false,
      hasPreviousPage: false,
    });
    const first = await page({ first: 4 });
    expect(first).toMatchObject({ lines: '1.1 1.2 1.3 2.1', hasNextPage: true, hasPreviousPage: false });
    expect(await page({ first: 4, after: first.endCursor })).toMatchObject({
      lines: '2.2 2.3',
      hasNextPage: false,
      hasPreviousPage: true,
    });
  });

  test('go back from the last to the first, each in order', async () => {
    const last = await page({ last: 2 });
    expect(last).toMatchObject({ lines: '2.2 2.3', hasNextPage: false, hasPreviousPage: true });
    const before = await page({ last: 3, before: last.startCursor });
    expect(before).toMatchObject({ lines: '1.2 1.3 2.1', hasNextPage: true, hasPreviousPage: true });
    expect(await page({ last: 3, before: before.startCursor })).toMatchObject({ lines: '1.1', hasPreviousPage: false });
  });

  test('of many tasks are read in one query', async () => {
    const other = (await user.call('mutation { createTask(input: { type: "echo" }) { id } }')).data.createTask.id;
    const line = { claimedAtSeq: 2, number: 1, attempt: 1, at: new Date(), record: { message: 'another' } };
    await app.database.taskLog.create({ data: { taskId: other, ...line } });
    const queries = recordQueries();
    const { data } = await user.call(`{
      tasks(where: { ids: ["${id}", "${other}"] }) {
        edges { node { logs(first: 2) { edges { node { message } } } latest: logs(last: 1) { edges { node { message } } } } }
      }
    }`);
    const said = data.tasks.edges.map(({ node }: { node: Record<string, { edges: { node: object }[] }> }) =>
      Object.values(node).map(({ edges }) => edges.map((edge) => edge.node)),
    );
    expect(said).toEqual([
      [[{ message: 'another' }], [{ message: 'another' }]],
      [[{ message: '1.1' }, { message: '1.2' }], [{ message: '2.3' }]],
    ]);
    // One a direction.
    expect(queries.filter((sql) => sql.includes('task_logs'))).toHaveLength(2);
  });

  test('that are malformed or too large are BAD_USER_INPUT', async () => {
    const fieldOf = async (variables: Record<string, unknown>) => errorOf(await user.call(LOGS, { id, ...variables }));
    for (const [field, variables] of [
      ['first', { first: -1 }],
      ['first', { first: 501 }],
      ['last', { last: 501 }],
      ['last', { first: 1, last: 1 }],
      ['after', { after: 'x' }],
      ['before', { last: 1, before: 'x' }],
    ] as const)
      expect(await fieldOf(variables)).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });
});
