import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { GraphQLMetrics } from '../../src/metrics/graphql-metrics.ts';
import { createGraphQLServer } from '../../src/server/graphql-server.ts';
import { type ApiApp, setupApi, type TestUser } from '../support/api.ts';
import { serveFront } from '../support/own-front.ts';

let app: ApiApp;
let server: Awaited<ReturnType<typeof serveFront>>;
let user: TestUser;
let readerKey: Record<string, string>;
let taskId: string;
const registry = new Registry();
/** How many operations went through Yoga's engine. */
let byEngine = 0;

beforeAll(async () => {
  app = await setupApi({ settings: { MAX_PAYLOAD_BYTES: '2000' } });
  const metrics = new GraphQLMetrics(registry);
  const yoga = new Proxy(createGraphQLServer(app.services, app.config, undefined, metrics), {
    get: (target, name) => {
      if (name === 'getEnveloped') byEngine++;
      return Reflect.get(target, name);
    },
  });
  server = await serveFront(app, yoga, metrics);
  user = await app.user();
  readerKey = await app.keyOf(user, ['TASKS_READ']);
  const answer = await user.call('mutation { createTask(input: { type: "echo" }) { id } }');
  taskId = answer.data.createTask.id;
});
afterAll(async () => {
  server.close();
  await app.close();
});
beforeEach(() => {
  byEngine = 0;
  registry.resetMetrics();
});

interface Body {
  query: string;
  variables?: object;
  operationName?: string;
}

/** @returns an answer without what differs each time, as text: the order of its keys counts as well */
const ask = async (path: string, body: Body, headers: Record<string, string> = user.headers) => {
  const url = new URL(path, server.url);
  const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
  const answer = await fetch(url, { ...options, body: JSON.stringify(body) });
  const text = (await answer.text())
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>');
  const rest = Object.fromEntries(
    [...answer.headers].filter(([name]) => !['date', 'ratelimit-remaining', 'ratelimit-reset'].includes(name)),
  );
  return { status: answer.status, headers: { ...rest, 'content-length': undefined }, text };
};

const counted = async (): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => /^taskflow_graphql_op.*(_total|_count)\{/.test(line));

const CREATE = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { type queue payload } }';
const PLAIN =
  'type queue payload priority status attempt maxAttempts progress progressDetail result workerId tags createdAt runAt startedAt finishedAt timeoutMs cancelRequestedAt cancelReason error { message code } backoff { kind delayMs jitter }';
const FULL = {
  type: 'echo',
  payload: { ü: ['€', null, 1.5] },
  queue: 'other',
  priority: 'HIGH',
  runAt: '2100-01-01T00:00:00+01:00',
  maxAttempts: 9,
  timeoutMs: 100,
  backoff: { kind: 'FIXED', delayMs: 5 },
  tags: ['a', 'b'],
};

test.each<[what: string, body: Body]>([
  ['a task', { query: CREATE, variables: { input: { type: 'echo' } } }],
  [
    'literals',
    { query: 'mutation { createTask(input: { type: "a", payload: { a: [1, B, "c"] } }) { type payload } }' },
  ],
  [
    'a variable inside',
    { query: 'mutation ($t: String!) { createTask(input: { type: $t }) { type } }', variables: { t: 'x' } },
  ],
  ['a default', { query: 'mutation ($q: String = "q") { createTask(input: { type: "a", queue: $q }) { queue } }' }],
  [
    'all fields',
    {
      query: `mutation ($input: CreateTaskInput!) { createTask(input: $input) { id ${PLAIN} } }`,
      variables: { input: FULL },
    },
  ],
  [
    'another name',
    { query: `mutation { t: createTask(input: { type: "a" }) { a: type __typename a: type s: status } }` },
  ],
  [
    'fragments',
    {
      query:
        'mutation { ...M } fragment M on Mutation { createTask(input: { type: "a" }) { ...T ... on Task { queue } ... @include(if: false) { id } } } fragment T on Task { type }',
    },
  ],
  [
    'one of two',
    {
      query:
        'mutation A { createTask(input: { type: "a" }) { type } } mutation B { createTask(input: { type: "b" }) { type } }',
      operationName: 'B',
    },
  ],
  [
    'many tasks',
    {
      query: 'mutation ($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { type tags } }',
      variables: { i: [{ type: 'a' }, FULL] },
    },
  ],
  ['no tasks', { query: 'mutation { createTasks(inputs: []) { type } }' }],
  [
    'a key that was used',
    { query: 'mutation { createTask(input: { type: "a", idempotencyKey: "k" }) { id type createdAt } }' },
  ],
])('%s comes compiled with the answer of Yoga, and is counted', async (_what, body) => {
  const expected = await ask('/graphql?', body);
  expect(expected.text).not.toContain('"errors"');
  registry.resetMetrics();
  expect(await ask('/graphql', body)).toEqual(expected);
  const counts = await counted();
  expect(counts).toHaveLength(2);
  byEngine = 0;
  registry.resetMetrics();
  expect(await ask('/graphql', body)).toEqual(expected);
  expect(byEngine).toBe(0);
  expect(await counted()).toEqual(counts);
});

test.each<[what: string, body: Body, headers?: () => Record<string, string>]>([
  ['what a resolver refuses', { query: CREATE, variables: { input: { type: 'echo', queue: '?' } } }],
  ['a payload that is too large', { query: CREATE, variables: { input: { type: 'a', payload: 'x'.repeat(3_000) } } }],
  [
    'a field that is read',
    { query: 'mutation { createTask(input: { type: "a" }) { type events { status } dependents { id } } }' },
  ],
  ['a task that is not there', { query: 'mutation { cancelTask(id: "01890000-0000-7000-8000-000000000000") { id } }' }],
  ['no id', { query: 'mutation ($id: ID!) { a: cancelTask(id: $id) { id } }', variables: { id: 5 } }],
  ['no credentials', { query: CREATE, variables: { input: { type: 'a' } } }, () => ({})],
  ['a key that does not allow it', { query: CREATE, variables: { input: { type: 'a' } } }, () => readerKey],
  ['what is for admins', { query: 'mutation { pauseQueue(name: "default") { name } }' }],
  ['a second end', { query: 'mutation ($id: ID!) { retryTask(id: $id) { id status } }', variables: {} }],
])('%s is executed once it has run, with the answer of Yoga', async (_what, body, headers = () => user.headers) => {
  const asked =
    body.variables && !('input' in body.variables) ? { ...body, variables: { id: taskId, ...body.variables } } : body;
  const expected = await ask('/graphql?', asked, headers());
  registry.resetMetrics();
  expect(await ask('/graphql', asked, headers())).toEqual(expected);
  const counts = await counted();
  registry.resetMetrics();
  expect(await ask('/graphql', asked, headers())).toEqual(expected);
  expect(await counted()).toEqual(counts);
});

test.each<[what: string, body: Body]>([
  ['a variable of another type', { query: CREATE, variables: { input: 7 } }],
  ['a missing variable', { query: CREATE }],
  ['an unknown argument', { query: CREATE, variables: { input: { type: 'a', nope: 1 } } }],
  ['an unknown value', { query: CREATE, variables: { input: { type: 'a', priority: 'URGENT' } } }],
  ['a wrong time', { query: CREATE, variables: { input: { type: 'a', runAt: 'now' } } }],
  [
    'two fields',
    { query: 'mutation { a: createTask(input: { type: "a" }) { type } b: createTask(input: { type: "?" }) { type } }' },
  ],
  ['a type name', { query: 'mutation { createTask(input: { type: "a" }) { type } __typename }' }],
  [
    '@skip with a variable',
    {
      query: 'mutation ($b: Boolean!) { createTask(input: { type: "a" }) { type queue @skip(if: $b) } }',
      variables: { b: true },
    },
  ],
  ['none of two', { query: 'mutation A { createTask(input: { type: "a" }) { type } } mutation B { __typename }' }],
  ['another name', { query: 'mutation A { createTask(input: { type: "a" }) { type } }', operationName: 'B' }],
])('%s is what Yoga answers, also where the document came before', async (_what, body) => {
  await ask('/graphql', { query: CREATE, variables: { input: { type: 'a' } } });
  const expected = await ask('/graphql?', body);
  byEngine = 0;
  expect(await ask('/graphql', body)).toEqual(expected);
  expect(await ask('/graphql', body)).toEqual(expected);
  expect(byEngine).toBeGreaterThanOrEqual(2);
});

test('a mutation that fails after it has run has run once', async () => {
  const body = { query: 'mutation { createTask(input: { type: "once" }) { type events { status } } }' };
  for (let i = 0; i < 3; i++) expect((await ask('/graphql', body)).text).toContain('QUEUED');
  expect(await app.database.task.count({ where: { type: 'once' } })).toBe(3);
});

test('documents that are too long to be kept are executed each time', async () => {
  const body = { query: `mutation { createTask(input: { type: "a" }) { type } } # ${'x'.repeat(10_000)}` };
  await ask('/graphql', body);
  byEngine = 0;
  expect((await ask('/graphql', body)).text).toBe('{"data":{"createTask":{"type":"a"}}}');
  expect(byEngine).toBe(1);
});
