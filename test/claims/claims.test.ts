import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { cancel } from '../../src/broker/calls.ts';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { startPrivateRedis, waitFor } from '../support/setup.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let user: TestUser;
let worker: Record<string, string>;

beforeAll(async () => {
  app = await setupApi();
  user = await app.user();
  worker = await app.keyOf(await app.admin(), ['WORKER']);
});
afterAll(() => app.close());

const call = async (operation: string, variables: Record<string, unknown> = {}) =>
  app.call(`mutation ${operation}`, variables, worker);

const submit = async (inputs: Record<string, unknown>[]): Promise<string[]> => {
  const { data } = await user.call('mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }', {
    inputs,
  });
  return data.createTasks.map(({ id }: { id: string }) => id);
};

const CLAIM =
  '($input: ClaimTasksInput!) { claimTasks(input: $input) { id token attempt maxAttempts timeoutMs ownerId queue type payload parents } }';

const claimFrom = async (queue: string, more: Record<string, unknown> = {}) => {
  const input = { workerId: 'w1', queues: [queue], types: ['mail'], limit: 10, ...more };
  return (await call(CLAIM, { input })).data.claimTasks;
};

/** A task that this worker holds. */
const held = async (queue: string) => {
  await submit([{ type: 'mail', queue, payload: { to: 'you' } }]);
  const claims = await eventually<{ id: string; token: string }>(() => claimFrom(queue));
  return { id: claims[0]?.id ?? '', token: claims[0]?.token ?? '' };
};

/** Submissions reach Redis a moment after they are answered: the signal says when. */
const eventually = async <T>(claim: () => Promise<T[]>): Promise<T[]> => {
  for (;;) {
    const claims = await claim();
    if (claims.length > 0) return claims;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe('claimTasks', () => {
  test('gives tasks of any owner, from both lanes, with what a worker needs', async () => {
    const [low, high] = await submit([
      { type: 'mail', queue: 'both', payload: { to: 'you' }, timeoutMs: 500, maxAttempts: 2 },
      { type: 'mail', queue: 'both', priority: 'HIGH' },
    ]);
    const claims: { id: string; token: string }[] = [];
    while (claims.length < 2) claims.push(...(await claimFrom('both')));
    const byId = Object.fromEntries(claims.map((claim) => [claim.id, claim]));
    const common = { attempt: 1, ownerId: user.id, queue: 'both', type: 'mail', parents: null };
    expect(byId).toEqual({
      [low as string]: {
        ...common,
        id: low,
        token: expect.stringMatching(/^low:/),
        maxAttempts: 2,
        timeoutMs: 500,
        payload: { to: 'you' },
      },
      [high as string]: {
        ...common,
        id: high,
        token: expect.stringMatching(/^high:/),
        maxAttempts: 3,
        timeoutMs: null,
        payload: null,
      },
    });
  });

  test.each([
    ['workerId', { workerId: 'with space' }],
    ['queues.1', { queues: ['a', 'NOT A NAME'] }],
    ['types', { types: [] }],
    ['types.0', { types: ['*'] }],
    ['limit', { limit: 101 }],
    ['limit', { limit: 0 }],
    ['leaseMs', { leaseMs: 10 }],
  ])('names a wrong %s', async (field, more) => {
    const input = { workerId: 'w1', queues: ['*'], types: ['mail'], ...more };
    expect(errorOf(await call(CLAIM, { input }))).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.${field}` });
  });
});

describe('a claimed task', () => {
  const COMPLETE = '($results: [CompletedTaskInput!]!) { completeTasks(workerId: "w1", results: $results) { lost } }';
  const FAIL = '($failures: [FailedTaskInput!]!) { failTasks(workerId: "w1", failures: $failures) { lost } }';
  const EXTEND =
    '($leases: [LeaseInput!]!) { extendLeases(leases: $leases, leaseMs: 60000) { lost stopping { id reason } } }';
  const RELEASE = '($leases: [LeaseInput!]!) { releaseTasks(workerId: "w1", leases: $leases) { lost } }';

  test('ends once: what is repeated is lost', async () => {
    const lease = await held('ends');
    const results = [{ ...lease, result: { ok: true } }];
    expect((await call(COMPLETE, { results })).data.completeTasks).toEqual({ lost: [] });
    expect((await call(COMPLETE, { results })).data.completeTasks).toEqual({ lost: [lease.id] });
    expect((await call(EXTEND, { leases: [lease] })).data.extendLeases).toEqual({ lost: [lease.id], stopping: [] });
  });

  test('is tried again after the delay that the worker chose', async () => {
    const lease = await held('fails');
    const failures = [{ ...lease, error: { message: 'no', code: 'E_NO' }, delayMs: 60_000 }];
    expect((await call(FAIL, { failures })).data.failTasks).toEqual({ lost: [] });
    const shard = app.broker.shardFor('NORMAL', lease.id);
    const due = Number(await shard.lane.redis.zscore(`${shard.tag}:scheduled`, lease.id));
    expect(Math.abs(due - Date.now() - 60_000)).toBeLessThan(20_000);
  });

  test('is handed back for another worker, without using up an attempt', async () => {
    const lease = await held('back');
    expect((await call(RELEASE, { leases: [lease] })).data.releaseTasks).toEqual({ lost: [] });
    const [again] = await claimFrom('back', { workerId: 'w2' });
    expect(again).toMatchObject({ id: lease.id, attempt: 1 });
    expect(again.token).not.toBe(lease.token);
  });

  test('says that it was cancelled when its lease is extended', async () => {
    const lease = await held('stops');
    const reason = JSON.stringify({ reason: 'CANCELLED', message: 'enough' });
    const shard = app.broker.shardFor('NORMAL', lease.id);
    await cancel(shard, { deadlineMs: 60_000 }, [{ id: lease.id, reason }]);
    const stopping = [{ id: lease.id, reason: { reason: 'CANCELLED', message: 'enough' } }];
    expect((await call(EXTEND, { leases: [lease] })).data.extendLeases).toEqual({ lost: [], stopping });
  });

  test('takes progress and log lines of its holder only', async () => {
    const lease = await held('says');
    const stranger = { ...lease, token: lease.token.replace(/\d+$/, '9999') };
    const PROGRESS = '($reports: [ProgressInput!]!) { reportProgress(reports: $reports) { lost } }';
    const LOG = '($lines: [LogLineInput!]!) { writeTaskLogs(lines: $lines) { lost } }';
    const line = { number: 1, level: 'info', message: 'hello' };
    for (const [lost, holder] of [
      [[], lease],
      [[lease.id], stranger],
    ]) {
      const reports = [{ ...holder, percent: 50, detail: { rows: 3 } }];
      expect((await call(PROGRESS, { reports })).data.reportProgress).toEqual({ lost });
      expect((await call(LOG, { lines: [{ ...holder, ...line }] })).data.writeTaskLogs).toEqual({ lost });
    }
  });

  test.each(['', 'low:0', 'low:9999/1.2', 'middle:0/1.2', 'low:0/1.2\n', 'low:0/x'])(
    'cannot be named by the token %j',
    async (token) => {
      const answer = await call(COMPLETE, { results: [{ id: user.id, token }] });
      expect(errorOf(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'results.0.token' });
    },
  );

  test('takes no result above the limit, and then none of the others', async () => {
    const [first, second] = [await held('large'), await held('large')];
    const limit = app.config.MAX_RESULT_BYTES;
    const results = [
      { ...first, result: 1 },
      { ...second, result: 'x'.repeat(limit) },
    ];
    const error = errorOf(await call(COMPLETE, { results }));
    expect(error).toEqual({ code: 'PAYLOAD_TOO_LARGE', field: 'results.1.result', limit });
    expect((await call(EXTEND, { leases: [first, second] })).data.extendLeases.lost).toEqual([]);
  });
});

describe('workAvailable', () => {
  const WATCH = 'subscription ($input: WorkAvailableInput!) { workAvailable(input: $input) { at } }';
  const watch = (queues: string[], types = ['mail']) =>
    subscribe(app.yoga, worker, WATCH, { input: { queues, types } });

  test('signals at once, and again when there is something to claim', async () => {
    await using signals = await watch(['signals']);
    await signals.take(1);
    const next = signals.take(1);
    const [id] = await submit([{ type: 'mail', queue: 'signals' }]);
    await next;
    expect(await claimFrom('signals')).toMatchObject([{ id }]);
  });

  test('goes on while nobody claims, and keeps no other worker asleep', async () => {
    await using signals = await watch(['busy']);
    await signals.take(1);
    await submit([{ type: 'mail', queue: 'busy' }]);
    await signals.take(3);
    const { low } = app.broker;
    const sleeper = low.connect();
    onTestFinished(() => sleeper.disconnect());
    expect(await sleeper.blpop(`${low.shards[0]?.tag}:wake:*|mail`, 5)).not.toBeNull();
  });

  test('passes on what only a subscriber that has left would have claimed', async () => {
    await using redis = await startPrivateRedis();
    await using own = await setupApi({ redis });
    const mine = await own.user();
    const headers = await own.keyOf(await own.admin(), ['WORKER']);
    const watchMine = (queue: string) =>
      subscribe(own.yoga, headers, WATCH, { input: { queues: [queue], types: ['mail'] } });
    await using stays = await watchMine('stays');
    const leaves = await watchMine('leaves');
    await Promise.all([stays.take(1), leaves.take(1)]);
    const [shard] = own.broker.low.shards;
    const isListening = async () =>
      String(await shard?.redis.client('LIST')).match(/cmd=blpop/g)?.length === own.broker.shards.length;
    await waitFor(isListening);
    await leaves.stop();
    await mine.call('mutation { createTask(input: { type: "mail", queue: "leaves" }) { id } }');
    const sleeper = own.broker.low.connect();
    onTestFinished(() => sleeper.disconnect());
    expect(await sleeper.blpop(`${shard?.tag}:wake:leaves|mail`, 2)).not.toBeNull();
  });

  test('hears of queues that a later subscriber serves', async () => {
    await using early = await watch(['early']);
    await early.take(1);
    await using late = await watch(['late'], ['mail', 'other']);
    await late.take(1);
    const next = late.take(1);
    await submit([{ type: 'mail', queue: 'late' }]);
    await next;
  });

  test('refuses names that no queue and no type has', async () => {
    const refused = await watch(['NOT A NAME']).catch((error) => error);
    expect(errorOf(refused)).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.queues.0' });
  });
});

describe('workerHeartbeat', () => {
  const HEARTBEAT = '($input: WorkerHeartbeatInput!) { workerHeartbeat(input: $input) }';
  const beat = (more: Record<string, unknown> = {}) =>
    call(HEARTBEAT, {
      input: {
        workerId: 'plain',
        language: 'bash',
        host: 'box',
        version: '1.0',
        queues: ['*'],
        concurrency: 2,
        running: 1,
        types: [{ type: 'announced', payloadSchema: { type: 'object', required: ['to'] }, timeoutMs: 5_000 }],
        ...more,
      },
    });

  test('lists the worker live and announces its types, until it says goodbye', async () => {
    await using lists = await subscribe(
      app.yoga,
      user.headers,
      'subscription { workersUpdated { id language version types running } }',
    );
    expect(await lists.take(1)).toEqual([[]]);
    expect((await beat()).data.workerHeartbeat).toBe(true);
    const listed = { id: 'plain', language: 'bash', version: '1.0', types: ['announced'], running: 1 };
    expect(await lists.take(1)).toEqual([[listed]]);
    const create = 'mutation { createTask(input: { type: "announced", payload: {} }) { id } }';
    await expect.poll(async () => (await user.call(create)).errors?.[0]?.extensions?.field).toBe('input.payload.to');
    await call('{ workerGoodbye(workerId: "plain") }');
    expect(await lists.take(1)).toEqual([[]]);
  });

  test.each([
    ['types.0.timeoutMs', { types: [{ type: 'x', timeoutMs: 0.5e10 }] }],
    ['types.0.backoff', { types: [{ type: 'x', backoff: { kind: 'FIXED', delayMs: -1 } }] }],
    ['host', { host: 'x'.repeat(201) }],
    ['queues', { queues: [] }],
  ])('names a wrong %s', async (field, more) => {
    const error = errorOf(await beat(more));
    expect(error.code).toBe('BAD_USER_INPUT');
    if (field !== 'types.0.timeoutMs') expect(error.field).toBe(`input.${field}`);
  });
});
