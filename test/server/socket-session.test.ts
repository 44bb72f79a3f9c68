import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { CompiledResults } from '../../src/graphql/compiled-results.ts';
import { QueueWatcher } from '../../src/queues/watch-queues.ts';
import { type ServedApi, setupServedApi } from '../support/served-api.ts';
import { waitFor } from '../support/setup.ts';
import { connect, openRaw, subscribe, watch } from '../support/sockets.ts';

let { app, api, user, close } = {} as ServedApi;

beforeAll(async () => {
  ({ app, api, user, close } = await setupServedApi());
});
afterAll(() => close());

const ME = '{ me { id } }';
const QUEUE = 'subscription { queueUpdated(name: "q") { name } }';

let queues = 0;

const submit = async () => {
  const input = { type: 'echo', queue: `q${++queues}`, payload: { n: queues } };
  const { data } = await user.call('mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }', {
    input,
  });
  return { id: data.createTask.id as string, type: input.type, queue: input.queue };
};

/** A socket that was let in. */
const open = async () => {
  const raw = await openRaw(api.url, user.headers);
  await raw.until('connection_ack');
  return raw;
};

/** Makes every subscription one that graphql-ws runs. */
const compileNothing = () => {
  const spy = vi.spyOn(CompiledResults.prototype, 'writerOf').mockReturnValue(undefined);
  return { [Symbol.dispose]: () => spy.mockRestore() };
};

describe('a socket is closed', () => {
  test('with 4401 for an operation before it was let in', async () => {
    const { start, closed } = await openRaw(api.url);
    start('1', ME);
    expect(await closed).toBe(4401);
  });

  test('with 4429 for a second connection_init', async () => {
    const { send, closed } = await open();
    send({ type: 'connection_init' });
    expect(await closed).toBe(4429);
  });

  test('with 4406 without the protocol', async () => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`);
    expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(4406);
  });

  test('with 4409 for an id that is in use, whoever runs its operation', async () => {
    const { start, until, closed } = await open();
    start('1', QUEUE);
    await until('next');
    start('1', QUEUE);
    expect(await closed).toBe(4409);
    using _ = compileNothing();
    const other = await open();
    other.start('1', QUEUE);
    await other.until('next');
    other.start('1', ME);
    expect(await other.closed).toBe(4409);
  });

  test('and does nothing more that it is told', async () => {
    const { send, start, closed, messages } = await openRaw(api.url, { authorization: 'Bearer x.y.z' });
    start('1', ME);
    send({ type: 'ping' });
    expect(await closed).toBe(4401);
    expect(messages).toEqual([]);
  });
});

describe('a socket', () => {
  test('answers pings with what they carry, also before it was let in, and takes pongs', async () => {
    const { send, until, messages, start } = await openRaw(api.url);
    send({ type: 'ping', payload: { at: 5 } });
    expect(await until('pong')).toEqual({ type: 'pong', payload: { at: 5 } });
    send({ type: 'pong' });
    send({ type: 'connection_init' });
    await until('connection_ack');
    start('1', '{ __typename }');
    expect(await until('next')).toEqual({ type: 'next', id: '1', payload: { data: { __typename: 'Query' } } });
    expect(messages.map(({ type }) => type).slice(0, 3)).toEqual(['pong', 'connection_ack', 'next']);
  });

  test("keeps graphql-ws's client alive", async () => {
    const pong = Promise.withResolvers<unknown>();
    connect(api.url, user.headers, { keepAlive: 5, lazy: false, on: { pong: pong.resolve } });
    expect(await pong.promise).toBe(true);
  });

  test('passes over the end of an operation that it does not know', async () => {
    const { send, start, until } = await open();
    send({ type: 'complete', id: 'nobody' });
    start('1', ME);
    await until('complete', '1');
    send({ type: 'complete', id: '1' });
    start('1', ME);
    expect(await until('complete', '1')).toEqual({ type: 'complete', id: '1' });
  });

  test('takes any id, and takes it again once its operation has ended', async () => {
    const task = await submit();
    await app.live.begin(task);
    await app.live.complete(task);
    const { start, messages } = await open();
    const id = 'a "quoted" \\ id\n';
    for (let n = 1; n <= 3; n++) {
      start(id, 'subscription ($id: ID!) { taskUpdated(id: $id) { status } }', { id: task.id });
      await waitFor(() => messages.filter(({ type }) => type === 'complete').length === n);
    }
    const next = { type: 'next', id, payload: { data: { taskUpdated: { status: 'COMPLETED' } } } };
    const rounds = Array.from({ length: 3 }, () => [next, { type: 'complete', id }]);
    expect(messages.slice(1)).toEqual(rounds.flat());
  });

  test('says in a result what a subscription was refused for, and completes it', async () => {
    const { start, until, messages } = await open();
    start('1', 'subscription ($id: ID!) { taskUpdated(id: $id) { status } }', { id: user.id });
    await until('complete', '1');
    expect(messages.slice(1)).toMatchObject([
      { type: 'next', id: '1', payload: { errors: [{ path: ['taskUpdated'], extensions: { code: 'NOT_FOUND' } }] } },
      { type: 'complete', id: '1' },
    ]);
    expect(JSON.stringify(messages)).not.toContain('"http"');
  });

  test.each([
    ['a variable that is missing', 'subscription ($id: ID!) { taskUpdated(id: $id) { status } }', {}],
    ['a variable that is wrong', 'subscription ($n: Int) { taskEvents(id: "x", afterSeq: $n) { seq } }', { n: 'x' }],
  ])('says what is wrong with %s', async (_what, query, variables) => {
    const { start, until, messages } = await open();
    start('1', query, variables);
    await until('complete', '1');
    expect(messages[1]).toMatchObject({ type: 'next', payload: { errors: [{ message: /^Variable "\$/ }] } });
  });

  test.each([
    ['compiled', () => ({ [Symbol.dispose]: () => {} })],
    ["graphql-ws's", compileNothing],
  ])('ends a %s subscription that its client no longer wants', async (_whose, prepare) => {
    using _ = prepare();
    const spy = vi.spyOn(QueueWatcher.prototype, 'watch');
    const { send, start, until, messages } = await open();
    start('1', QUEUE);
    await until('next', '1');
    send({ type: 'complete', id: '1' });
    const mailbox = await spy.mock.results[0]?.value;
    spy.mockRestore();
    expect(await mailbox.next()).toMatchObject({ done: true });
    start('1', ME);
    await until('complete', '1');
    expect(messages.filter(({ type }) => type === 'complete')).toHaveLength(1);
  });

  test('begins nothing that its client stops before it began', async () => {
    const spy = vi.spyOn(QueueWatcher.prototype, 'watch');
    const { send, start, until, messages } = await open();
    start('1', QUEUE);
    start('2', ME);
    send({ type: 'complete', id: '1' });
    send({ type: 'complete', id: '2' });
    start('1', ME);
    await until('complete', '1');
    expect(messages.map(({ id, type }) => [id, type]).slice(1)).toEqual([
      ['1', 'next'],
      ['1', 'complete'],
    ]);
    for (const { value } of spy.mock.results) expect(await (await value).next()).toMatchObject({ done: true });
    spy.mockRestore();
  });
});

test('what was compiled and what graphql-ws runs shows the same as the engine, result by result', async () => {
  const queries = [
    'subscription ($id: ID!) { taskUpdated(id: $id) { id status attempt result error { message } createdAt payload } }',
    'subscription ($id: ID!) { a: taskUpdated(id: $id) { ...T tags @skip(if: true) } } fragment T on Task { __typename status waitReason { kind } events { seq } }',
    'subscription ($id: ID!) { taskEvents(id: $id) { seq status at detail } }',
  ];
  const task = await submit();
  const client = connect(api.url, user.headers);
  const compiled = queries.map((query) => watch(client, query, { id: task.id }));
  const firstOf = (watches: typeof compiled) => Promise.all(watches.map((each) => each.take(1)));
  const seen = [await firstOf(compiled)];
  using _ = compileNothing();
  const run = queries.map((query) => watch(client, query, { id: task.id }));
  seen.push(await firstOf(run));
  const plain = await Promise.all(queries.map((query) => subscribe(app.yoga, user.headers, query, { id: task.id })));
  seen.push(await firstOf(plain));
  await app.live.begin(task);
  for (const each of [compiled, run, plain]) seen.push(await firstOf(each));
  await app.live.complete(task, { n: 1 });
  for (const each of [compiled, run, plain]) seen.push(await Promise.all(each.map((one) => one.rest())));
  for (let i = 0; i < seen.length; i += 3) {
    expect(seen[i]).toEqual(seen[i + 2]);
    expect(seen[i + 1]).toEqual(seen[i + 2]);
  }
  expect(seen.at(-1)?.[0]?.at(-1)).toMatchObject({ status: 'COMPLETED', result: { n: 1 } });
});
