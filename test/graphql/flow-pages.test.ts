import { expect, test } from 'vitest';
import { errorOf, setupApi } from '../support/api.ts';

test('a flow shows its tasks a page at a time, also after one was deleted', async () => {
  await using app = await setupApi();
  const owner = await app.user();
  const input = { name: 'pages', tasks: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, type: 'echo' })) };
  const { data } = await owner.call(
    'mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id tasks { task { id } } } }',
    { input },
  );
  const { id, tasks } = data.createFlow;
  const page = async (args: string) => {
    const answer = await owner.call(`{ flow(id: "${id}") { taskPage(${args}) {
      edges { cursor node { name task { id } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    } } }`);
    if (answer.errors) return errorOf(answer);
    const { edges, pageInfo } = answer.data.flow.taskPage;
    return { names: edges.map(({ node }: { node: { name: string } }) => node.name).join(''), ...pageInfo };
  };
  const first = await page('first: 2');
  expect(first).toMatchObject({ names: 'ab', hasNextPage: true, hasPreviousPage: false });
  await app.database.flowTask.delete({ where: { taskId: tasks[1].task.id } });
  const rest = await page(`first: 3, after: "${first.endCursor}"`);
  expect(rest).toMatchObject({ names: 'cde', hasNextPage: false, hasPreviousPage: true });
  const back = await page(`last: 2, before: "${rest.endCursor}"`);
  expect(back).toMatchObject({ names: 'cd', hasNextPage: true, hasPreviousPage: true });
  expect(await page(`last: 2, before: "${back.startCursor}"`)).toMatchObject({ names: 'a', hasPreviousPage: false });
  expect(await page('first: 1, after: "x"')).toMatchObject({ code: 'BAD_USER_INPUT', field: 'after' });
  expect(await page('first: 501')).toMatchObject({ code: 'BAD_USER_INPUT', field: 'first' });
});
