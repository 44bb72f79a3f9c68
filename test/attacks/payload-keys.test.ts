import { describe, expect, test } from 'vitest';
import { waitFor } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

/** JSON text: an object literal with such keys would not have them. */
const PAYLOAD =
  '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}},"nested":[{"__proto__":{"isAdmin":true}}],"toString":"x","hasOwnProperty":1}';
const CREATE = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }';

/** PostgreSQL keeps no order of keys. */
const sorted = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, sorted(inner)]);
};

describe('keys that would change the prototype of an object', () => {
  test('go through api, PostgreSQL, Redis and worker as plain data', async () => {
    await using system = await startSystem();
    await Promise.all([system.start('manager'), system.start('worker')]);
    const post = async (body: string): Promise<string> => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${system.token}` };
      return (await fetch(`${system.url}/graphql`, { method: 'POST', headers, body })).text();
    };
    const create = (input: string, more = '') =>
      post(`{"query":${JSON.stringify(CREATE)},"variables":{"input":${input}${more}}}`);

    const { data } = JSON.parse(await create(`{"type":"echo","payload":${PAYLOAD}}`));
    const { id } = data.createTask;
    const read = () => post(JSON.stringify({ query: `{ task(id: "${id}") { status payload result } }` }));
    await waitFor(async () => (await read()).includes('COMPLETED'), { what: 'the worker has run it' });
    const { task } = JSON.parse(await read()).data;
    expect(sorted(task.payload)).toEqual(sorted(JSON.parse(PAYLOAD)));
    expect(sorted(task.result)).toEqual(sorted(JSON.parse(PAYLOAD)));

    // The same as a literal in the document.
    const literal =
      'mutation { createTask(input: { type: "echo", payload: { __proto__: { isAdmin: true }, a: 1 } }) { payload } }';
    expect(await post(JSON.stringify({ query: literal }))).toBe(
      '{"data":{"createTask":{"payload":{"__proto__":{"isAdmin":true},"a":1}}}}',
    );

    // Where an input has named fields, they are refused as any unknown field is; among the variables they are none.
    expect(await create('{"type":"echo","__proto__":{"payload":1}}')).toContain('BAD_USER_INPUT');
    expect(await create('{"type":"echo"}', ',"__proto__":{"isAdmin":true}')).toContain('"id"');
    expect(await post('{"query":"{ me { username } }","__proto__":{"query":"{ nope }"}}')).toContain('BAD_USER_INPUT');
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
  });
});
