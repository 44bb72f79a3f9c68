import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Scrape, scrape, WITH_METRICS } from '../support/metrics.ts';
import { waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;

beforeAll(async () => {
  system = await startSystem({ settings: WITH_METRICS });
});
afterAll(() => system[Symbol.asyncDispose]());

const OPERATIONS = 'taskflow_graphql_operations_total';

/** What was added to the counters of operations, as "operation type code": number. */
const counted = async (work: () => Promise<unknown>): Promise<Record<string, number>> => {
  const before = await scrape(system.api);
  await work();
  const after = await scrape(system.api);
  const toKey = ({ labels }: Scrape['samples'][number]): string => `${labels.operation} ${labels.type} ${labels.code}`;
  const old = new Map(
    before.samples.filter(({ name }) => name === OPERATIONS).map((each) => [toKey(each), each.value]),
  );
  const grown = after.samples
    .filter(({ name }) => name === OPERATIONS)
    .map((each) => [toKey(each), each.value - (old.get(toKey(each)) ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, n]) => n > 0));
};

const post = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${system.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${system.token}`, ...headers },
    body: JSON.stringify(body),
  });

/** With this, Yoga answers, and not the front for plain POSTs. */
const BY_YOGA = { accept: 'application/graphql-response+json' };

describe.each([
  ['plain', {}],
  ["Yoga's", BY_YOGA],
])('an operation over the %s HTTP path', (_path, headers) => {
  test('is counted by its first field, whatever its client calls it', async () => {
    const query = 'query Anything4711 { mine: me { username } queues { name } }';
    expect(await counted(() => post({ query }, headers))).toEqual({ 'me query OK': 1 });
  });

  test('is counted by a field of a fragment that stands first', async () => {
    const query = '{ ...first } fragment first on Query { ... on Query { queues { name } } }';
    expect(await counted(() => post({ query }, headers))).toEqual({ 'queues query OK': 1 });
  });

  test('is counted with the code of its first error', async () => {
    const query = 'mutation { createTask(input: { type: "no good", payload: {} }) { id } }';
    expect(await counted(() => post({ query }, headers))).toEqual({ 'createTask mutation BAD_USER_INPUT': 1 });
  });

  test('is "other" when it is not valid, and when its credentials are not', async () => {
    expect(await counted(() => post({ query: '{ nothingLikeIt }' }, headers))).toEqual({
      'other other BAD_USER_INPUT': 1,
    });
    expect(await counted(() => post({ query: '{ broken' }, headers))).toEqual({ 'other other BAD_USER_INPUT': 1 });
    const bad = { ...headers, authorization: 'Bearer wrong' };
    expect(await counted(() => post({ query: '{ me { username } }' }, bad))).toEqual({
      'other other UNAUTHENTICATED': 1,
    });
  });
});

describe('subscriptions', () => {
  test('are counted as they begin, shown while they run, and their deliveries are counted', async () => {
    const socket = system.socket();
    const subscribers = async () => {
      const metrics = await scrape(system.api);
      return [
        metrics.sum('taskflow_graphql_subscriptions', { operation: 'taskChanges' }) ?? 0,
        metrics.sum('taskflow_subscribers'),
        metrics.sum('taskflow_websockets'),
      ].join();
    };
    const query = 'subscription { taskChanges { event { status } } }';
    const results = socket.iterate<{ taskChanges: { event: { status: string } } }>({ query });
    let next: ReturnType<typeof results.next> | undefined;
    const begin = async () => {
      next = results.next();
      await waitFor(async () => (await subscribers()) === '1,1,1', { what: 'it is shown' });
    };
    expect(await counted(begin)).toEqual({ 'taskChanges subscription OK': 1 });

    const before = (await scrape(system.api)).sum('taskflow_transitions_delivered_total') ?? 0;
    await system.submit(1, 'echo', 1);
    expect((await next)?.value?.data?.taskChanges.event.status).toBe('QUEUED');
    expect((await scrape(system.api)).sum('taskflow_transitions_delivered_total')).toBe(before + 1);

    await results.return?.();
    await socket.dispose();
    await waitFor(async () => (await subscribers()) === '0,0,0', { what: 'nobody is left' });
  });

  test('over Server-Sent Events are shown, too', async () => {
    const abort = new AbortController();
    const query = 'subscription { taskChanges { event { status } } }';
    const response = await fetch(`${system.url}/graphql`, {
      method: 'POST',
      signal: abort.signal,
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${system.token}`,
      },
      body: JSON.stringify({ query }),
    });
    expect(response.status).toBe(200);
    const shown = async () =>
      (await scrape(system.api)).sum('taskflow_graphql_subscriptions', { operation: 'taskChanges' });
    await waitFor(async () => (await shown()) === 1, { what: 'it is shown' });
    abort.abort();
    await waitFor(async () => (await shown()) === 0, { what: 'it is not shown any more' });
  });

  test('that are refused are counted with their code', async () => {
    const socket = system.socket();
    const ask = (query: string) =>
      new Promise<void>((resolve, reject) => {
        socket.subscribe({ query }, { next: () => undefined, error: () => resolve(), complete: reject });
      });
    expect(await counted(() => ask('subscription { nothingLikeIt }'))).toEqual({ 'other other BAD_USER_INPUT': 1 });
    await socket.dispose();
  });
});
