import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, startApi } from '../../src/server/api.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { silent } from '../support/factory.ts';
import { connect, watch } from '../support/sockets.ts';

let app: ApiApp;
let open: Api;
let closed: Api;
let user: TestUser;

beforeAll(async () => {
  app = await setupApi();
  open = await startApi(app.config, silent);
  closed = await startApi({ ...app.config, INTROSPECTION: false }, silent);
  user = await app.user();
});
afterAll(async () => {
  await Promise.all([open.close(), closed.close()]);
  await app.close();
});

const ask = async (api: Api, query: string, variables = {}, path = '/graphql') => {
  const headers = { 'content-type': 'application/json', ...user.headers };
  const answer = await fetch(`${api.url}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
};

const TYPO = '{ mee { id } }';
const WRONG_ENUM = 'mutation ($p: TaskPriority) { createTask(input: { type: "x", priority: $p }) { id } }';

describe('with introspection', () => {
  test('clients may read the schema, and are told what they may have meant', async () => {
    expect((await ask(open, getIntrospectionQuery())).data.__schema.queryType).toMatchObject({ name: 'Query' });
    expect((await ask(open, TYPO)).errors[0].message).toMatch(/Did you mean "me"/);
    expect((await ask(open, WRONG_ENUM, { p: 'HIGHH' })).errors[0].message).toMatch(
      /Did you mean the enum value "HIGH"/,
    );
  });
});

describe('without introspection', () => {
  test.each(['/graphql', '/graphql?'])('nothing at %s tells what is in the schema', async (path) => {
    for (const query of ['{ __schema { types { name } } }', '{ __type(name: "Task") { name } }'])
      expect(errorOf({ errors: [(await ask(closed, query, {}, path)).errors[0]] })).toEqual({ code: 'BAD_USER_INPUT' });
    for (const [query, variables] of [[TYPO], [WRONG_ENUM, { p: 'HIGHH' }]] as const) {
      const { errors } = await ask(closed, query, variables, path);
      expect(errors[0].message).not.toBe('');
      expect(errors[0].message).not.toMatch(/did you mean|"me"|"HIGH"/i);
    }
  });

  test('nor does anything on a socket', async () => {
    const client = connect(closed.url, user.headers);
    const refused = watch(client, TYPO).next();
    await expect(refused).rejects.toMatchObject([{ message: 'Cannot query field "mee" on type "Query".' }]);
    const introspection = watch(client, '{ __schema { queryType { name } } }').next();
    await expect(introspection).rejects.toMatchObject({ 0: { extensions: { code: 'BAD_USER_INPUT' } } });
  });

  test('operations and __typename still work', async () => {
    expect(await ask(closed, '{ __typename me { __typename id } }')).toEqual({
      data: { __typename: 'Query', me: { __typename: 'User', id: user.id } },
    });
  });
});
