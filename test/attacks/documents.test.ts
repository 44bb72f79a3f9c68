import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { QUERY_LIMITS } from '../../src/graphql/query-limits.ts';
import { errorOf } from '../support/api.ts';
import { type ServedApi, setupServedApi } from '../support/served-api.ts';
import { connect, watch } from '../support/sockets.ts';

let { api, user, close } = {} as ServedApi;

beforeAll(async () => {
  ({ api, user, close } = await setupServedApi());
});
afterAll(() => close());

const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join(' ');
const nest = (count: number, open: string, inside: string): string =>
  `${open} {`.repeat(count) + inside + '}'.repeat(count);

/** Everything that a task has, but for its events. */
const TASK = `id type queue payload priority status attempt maxAttempts progress result error { message code stack }
  workerId tags createdAt runAt startedAt finishedAt`;
const PAGE = `{ edges { cursor node { ${TASK} events { taskId seq status at attempt workerId detail } } } pageInfo { endCursor } }`;

const ATTACKS: Record<string, [document: string, complaint: RegExp]> = {
  'a deep document': [`{ __type(name: "Task") { ${nest(12, 'ofType', 'name')} } }`, /depth limit of 10 exceeded/i],
  'a deep document of fragments': [
    `{ __type(name: "Task") { ...F0 } } ${times(12, (i) => `fragment F${i} on __Type { ofType { ...F${i + 1} } }`)} fragment F12 on __Type { name }`,
    /depth limit of 10 exceeded/i,
  ],
  'a document of 100,000 brackets': [`{ ${nest(100_000, 'a', 'b')} }`, /contains more th\w+ 2000 tokens/i],
  'a wide document': [`{ ${times(3_000, (i) => `f${i}`)} }`, /contains more th\w+ 2000 tokens/i],
  'a long list in the document': [
    `mutation { createTasks(inputs: [${times(1_000, () => '{ type: "x" }')}]) { id } }`,
    /contains more th\w+ 2000 tokens/i,
  ],
  'many aliases': [`{ ${times(31, (i) => `a${i}: me { id }`)} }`, /aliases limit of 30 exceeded/i],
  'many aliases in fragments': [
    `{ ...A ...B } fragment A on Query { ${times(20, (i) => `a${i}: me { id }`)} } fragment B on Query { ${times(20, (i) => `b${i}: me { id }`)} }`,
    /aliases limit of 30 exceeded/i,
  ],
  'many logins in one request': [
    `mutation { ${times(31, (i) => `a${i}: login(input: { identifier: "x", password: "${i}" }) { token }`)} }`,
    /aliases limit of 30 exceeded/i,
  ],
  'many directives': [`{ me ${times(40, () => '@include(if: true)')} { id } }`, /./],
  'many directives on many fields': [
    `{ me { ${times(31, () => 'id @include(if: true)')} } }`,
    /directives limit of 30 exceeded/i,
  ],
  'a fragment in a circle': [
    '{ me { ...A } } fragment A on User { ...B } fragment B on User { ...A }',
    /cannot spread fragment/i,
  ],
  'a fragment in itself': ['{ ...A } fragment A on Query { me { id } ...A }', /cannot spread fragment/i],
  'a circle with a list in it': [
    '{ ...A } fragment A on Query { tasks(first: 500) { edges { node { id } } } ...B } fragment B on Query { ...A }',
    /cannot spread fragment/i,
  ],
  'several large pages': [`{ a: tasks(first: 500) ${PAGE} b: tasks(last: 500) ${PAGE} }`, /at most 60000 are allowed/],
  'a doubling of fragments': [
    `{ ...F0 } ${times(20, (i) => `fragment F${i} on Query { a${i}: __typename ...F${i + 1} ...F${i + 1} }`)} fragment F20 on Query { me { id } }`,
    /at most 60000 are allowed/,
  ],
  'an introspection in circles': [
    '{ __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }',
    /introspection depth/i,
  ],
};

/** However busy the machine is: none of them takes more than a few milliseconds by itself. */
const TOO_LONG_MS = 5_000;

const post = async (query: string, path: string, variables = {}) => {
  const headers = { 'content-type': 'application/json', ...user.headers };
  const answer = await fetch(`${api.url}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
};

describe.each(Object.entries(ATTACKS))('%s', (_what, [document, complaint]) => {
  // The first path is that of plain POSTs, the second one that of all other requests.
  test.each(['/graphql', '/graphql?'])('is refused at once at %s', async (path) => {
    const startedAt = performance.now();
    const { data, errors } = await post(document, path);
    expect(data).toBeUndefined();
    for (const { extensions } of errors) expect(extensions).toEqual({ code: 'BAD_USER_INPUT' });
    expect(errors.map(({ message }: { message: string }) => message).join('\n')).toMatch(complaint);
    expect(performance.now() - startedAt).toBeLessThan(TOO_LONG_MS);
  });

  test('is refused on a socket, which stays open', async () => {
    const client = connect(api.url, user.headers);
    const refused = watch(client, document).next();
    await expect(refused).rejects.toMatchObject({ 0: { extensions: { code: 'BAD_USER_INPUT' } } });
    expect(await watch(client, '{ me { id } }').take(1)).toEqual([{ id: user.id }]);
  });
});

describe('what honest clients ask', () => {
  test.each<[string, string, object?]>([
    ['the largest page with all fields and events', `{ tasks(first: 500) ${PAGE} }`],
    ['a page whose size is a variable', `query ($n: Int) { tasks(first: $n) ${PAGE} }`, { n: 10 }],
    [
      'thirty tasks by aliases',
      `{ ${times(30, (i) => `a${i}: task(id: "01900000-0000-7000-8000-000000000000") { ${TASK} }`)} }`,
    ],
    ['the same field often', `{ me { ${times(500, () => 'id')} } }`],
  ])('is answered: %s', async (_what, query, variables) => {
    expect((await post(query, '/graphql', variables)).errors).toBeUndefined();
  });

  test('counts as it says', async () => {
    const pages = (size: number | string): string =>
      `query ($n: Int) { me @include(if: true) { id } n: tasks(first: $n) { edges { cursor } } a: tasks(first: ${size}) ${PAGE} b: tasks(first: ${size}) ${PAGE} }`;
    expect((await post(pages(100), '/graphql')).errors).toBeUndefined();
    // A variable counts as the largest page, whatever is in it.
    expect(errorOf(await post(pages('$n'), '/graphql', { n: 1 }))).toEqual({ code: 'BAD_USER_INPUT' });
    expect(QUERY_LIMITS.cost).toBe(60_000);
  });
});
