import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiApp, setupApi } from '../support/api.ts';

let app: ApiApp;

beforeAll(async () => {
  app = await setupApi();
});
afterAll(() => app.close());

const DEAD = '{ tasks(where: { status: [FAILED] }) { edges { node { id attempt error { message code } } } } }';

test('FAILED tasks are listed with their errors, newest first, to their owner and to admins, until they are put back', async () => {
  const [user, other, admin] = await Promise.all([app.user(), app.user(), app.admin()]);
  const list = async (who = user) => {
    const { data } = await who.call(DEAD);
    return data.tasks.edges.map(({ node }: { node: unknown }) => node) as { id: string }[];
  };
  const [first, second] = [
    await app.factory.failed({ ownerId: user.id, error: { message: 'it broke', code: 'BROKEN' } }),
    await app.factory.failed({ ownerId: user.id, error: 'a plain text' }),
  ];
  await app.factory.completed({ ownerId: user.id });
  const others = await app.factory.failed({ ownerId: other.id });
  const expected = [
    { id: second.id, attempt: 1, error: { message: 'a plain text', code: null } },
    { id: first.id, attempt: 1, error: { message: 'it broke', code: 'BROKEN' } },
  ];
  expect(await list()).toEqual(expected);
  expect((await list(other)).map(({ id }) => id)).toEqual([others.id]);
  expect((await list(admin)).map(({ id }) => id)).toEqual([others.id, second.id, first.id]);

  await user.call('mutation ($id: ID!) { retryTask(id: $id) { status } }', { id: second.id });
  expect(await list()).toEqual(expected.slice(1));
});
