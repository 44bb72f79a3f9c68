import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as calls from '../../src/broker/calls.ts';
import { Broker, type Shard } from '../../src/broker/lanes.ts';
import { buildLibrary, loadLibrary } from '../../src/broker/library.ts';
import { readRunId } from '../../src/broker/run-id.ts';
import { LEGAL_MOVES, LIVE_STATUSES } from '../../src/tasks/task-state.ts';
import { type PrivateServer, startPrivateRedis, waitFor } from '../support/setup.ts';
import { openBroker, openEpoch } from '../support/shard-setup.ts';
import { dumpShard, headOf } from '../support/shard-state.ts';
import { startSystem } from '../support/system.ts';
import { readWorkerRules, setWorkerUser, WORKER_LOGIN, WORKER_PREFIX, workerRefusals } from '../support/worker-acl.ts';

/** What Redis says to a caller, and of a command inside a function. */
const REFUSAL = /NOPERM|The user executing the script/;
const STATES = { moves: LEGAL_MOVES, live: LIVE_STATUSES };

let server: PrivateServer;
let admin: Broker;
let worker: Broker;
let shard: Shard;
let asAdmin: Shard;
let redis: Redis;

beforeAll(async () => {
  server = await startPrivateRedis();
  admin = openBroker(server.port, WORKER_PREFIX);
  await admin.ready();
  asAdmin = admin.low.shards[0] as Shard;
  redis = admin.low.redis;
  await loadLibrary(redis, STATES);
  await setWorkerUser(redis, await readWorkerRules());
  const { REDIS_USERNAME_LOW: username, REDIS_PASSWORD_LOW: password } = WORKER_LOGIN;
  const login = { addresses: [{ host: '127.0.0.1', port: server.port }], username, password };
  worker = new Broker(
    { high: login, low: login, prefix: WORKER_PREFIX, shardsPerLane: 1, commandTimeoutMs: 5_000 },
    () => undefined,
  );
  await worker.ready();
  shard = worker.low.shards[0] as Shard;
});

afterAll(() => {
  admin.close();
  worker.close();
});

/** An empty shard in its epoch 7, and the user with the rights of the page. */
const openShard = async (): Promise<void> => {
  await setWorkerUser(redis, await readWorkerRules());
  await redis.flushall();
  await openEpoch(asAdmin, 7);
  await workerRefusals(redis);
};

const add = async (ids: readonly string[], payload = '{}', runAt: number | '' = ''): Promise<void> => {
  const head = headOf();
  await calls.enqueue(
    asAdmin,
    { epoch: 7 },
    ids.map((id) => ({ id, seq: 1, runAt, head, payload })),
  );
};

const claim = (limit = 100): Promise<calls.Claim[]> =>
  calls.claim(shard, { worker: 'w1', limit, leaseMs: 30_000, lowFirst: 0, queues: '*', types: 'echo' });

describe('a Redis user with the rights that the page on the worker protocol gives', () => {
  test('may end tasks in every way', async () => {
    await openShard();
    await add(['done', 'again', 'failed', 'back', 'late']);
    const claims = await claim();
    expect(claims).toHaveLength(5);
    const tokens = new Map(claims.map(({ id, token }) => [id, { id, token }]));
    const of = (id: string) => tokens.get(id) as { id: string; token: string };
    await calls.cancel(asAdmin, { deadlineMs: 60_000 }, [{ id: 'late', reason: '{}' }]);

    expect(await calls.extendLeases(shard, { leaseMs: 60_000 }, [...tokens.values()])).toEqual({
      lost: [],
      stopping: [{ id: 'late', reason: '{}' }],
    });
    expect(await calls.reportProgress(shard, {}, [{ ...of('done'), percent: 50, detail: '' }])).toEqual([]);
    expect(await calls.keepLogs(shard, {}, [{ ...of('done'), number: 1, record: '{}' }])).toEqual([]);
    const done = [of('done'), of('late')].map((fence) => ({ ...fence, result: '1' }));
    expect(await calls.complete(shard, { worker: 'w1' }, done)).toEqual([]);
    const failed = [
      { ...of('again'), error: '{}', retry: '1', delayMs: '' },
      { ...of('failed'), error: '{}', retry: '0', delayMs: '' },
    ];
    expect(await calls.fail(shard, { worker: 'w1' }, failed)).toEqual([]);
    expect(await calls.release(shard, { worker: 'w1' }, [of('back')])).toEqual([]);

    expect((await dumpShard(asAdmin)).counts).toEqual({ 'default|QUEUED': '1', 'default|SCHEDULED': '1' });
    expect(await workerRefusals(redis)).toEqual([]);
  });

  test('may claim past cancelled tasks, paused queues and more than fits a reply', async () => {
    await openShard();
    await add(['cancelled', 'kept']);
    await calls.cancel(asAdmin, { deadlineMs: 0 }, [{ id: 'cancelled', reason: '{}' }]);
    await calls.pause(asAdmin, {}, [{ queue: 'default', paused: '1' }]);
    expect(await claim()).toEqual([]);
    await calls.pause(asAdmin, {}, [
      { queue: 'default', paused: '0' },
      { queue: 'other', paused: '1' },
    ]);
    expect(await claim()).toMatchObject([{ id: 'kept' }]);
    await add(['1', '2', '3', '4', '5', '6'], JSON.stringify('x'.repeat(1_000_000)));
    expect(await claim()).toHaveLength(5);
    expect(await claim()).toHaveLength(1);
    expect(await workerRefusals(redis)).toEqual([]);
  });

  test('may wait for work, wake others, and be told to stop', async () => {
    await openShard();
    await add(['a', 'b']);
    const sleeper = shard.lane.connect();
    const key = `${shard.tag}:wake:*|echo`;
    expect(await sleeper.blpop(key, 5)).toEqual([key, '1']);
    await claim(0);
    expect(await sleeper.blpop(key, 5)).toEqual([key, '1']);
    const blocked = sleeper.blpop(key, 0);
    expect(await shard.lane.redis.client('UNBLOCK', await idOfBlocked())).toBe(1);
    expect(await blocked).toBeNull();
    expect(await sleeper.subscribe(`${shard.tag}:control`)).toBe(1);
    sleeper.disconnect();
    expect(await workerRefusals(redis)).toEqual([]);
  });

  test('may be listed, list what it runs, take those off that are silent, and say goodbye', async () => {
    await openShard();
    const types = [{ type: 'echo', payloadSchema: 'null', defaults: '{}' }];
    await calls.heartbeat(shard, { worker: 'silent', description: '{}', ttlMs: 1 }, types);
    await waitFor(async () => {
      await calls.heartbeat(shard, { worker: 'w1', description: '{}', ttlMs: 60_000 }, types);
      return (await redis.hkeys(`${shard.tag}:workers`)).join() === 'w1';
    });
    await calls.goodbye(shard, { worker: 'w1' });
    expect(await redis.hkeys(`${shard.tag}:workers`)).toEqual([]);
    expect(await workerRefusals(redis)).toEqual([]);
  });

  test('may do nothing else', async () => {
    await openShard();
    await add(['a']);
    await redis.set('other', '1');
    const before = await dumpShard(asAdmin);
    for (const command of FORBIDDEN) {
      const [name = '', ...args] = command;
      await expect(shard.lane.redis.call(name, ...args), command.join(' ')).rejects.toThrow(/NOPERM/);
    }
    await expect(shard.lane.connect().subscribe('tf:low:realtime:0')).rejects.toThrow(/NOPERM/);
    expect(await dumpShard(asAdmin)).toEqual(before);
  });

  test.each([
    ['refused by their names', (rule: string) => rule],
    ['refused by what they do', (rule: string) => rule.replace(/(\+fcall)\|\w+( \+fcall\|\w+)*/, '$1')],
  ])('may not call the functions of managers and of the api: %s', async (_, change) => {
    await openShard();
    await setWorkerUser(redis, (await readWorkerRules()).map(change));
    await add(['waiting', 'running', 'due'], '{}');
    await add(['later'], '{}', 1);
    await claim(1);
    await redis.zadd(`${shard.tag}:leases`, 1, 'waiting');
    const before = await dumpShard(asAdmin);
    for (const [name, call] of Object.entries(MANAGER_CALLS)) {
      await expect(call(shard), name).rejects.toThrow(REFUSAL);
    }
    expect(await dumpShard(asAdmin)).toEqual(before);
  });

  test('can read the payload of a task whose id it knows, as the page admits', async () => {
    await openShard();
    await add(['a'], '{"secret":1}');
    expect(await shard.lane.redis.mget(`${shard.tag}:task:a`)).toEqual([expect.stringContaining('{"secret":1}')]);
  });
});

const idOfBlocked = () => waitFor(async () => /id=(\d+) .*cmd=blpop/.exec((await redis.client('LIST')) as string)?.[1]);

const MANAGER_CALLS: Record<string, (shard: Shard) => Promise<unknown>> = {
  enqueue: (shard) =>
    calls.enqueue(shard, { epoch: 7 }, [{ id: 'new', seq: 1, runAt: '', head: headOf(), payload: '{}' }]),
  restore: (shard) =>
    calls.restore(shard, { epoch: 7 }, [
      {
        id: 'new',
        status: 'QUEUED',
        seq: 1,
        attempt: 0,
        runAt: '',
        head: headOf(),
        payload: '{}',
        cancelReason: '',
      },
    ]),
  'cancel of a waiting task': (shard) => calls.cancel(shard, { deadlineMs: 0 }, [{ id: 'running', reason: '{}' }]),
  'cancel of a running task': (shard) => calls.cancel(shard, { deadlineMs: 0 }, [{ id: 'waiting', reason: '{}' }]),
  pause: (shard) => calls.pause(shard, {}, [{ queue: 'default', paused: '1' }]),
  resume: (shard) => calls.pause(shard, {}, [{ queue: 'default', paused: '0' }]),
  promote: (shard) => calls.promote(shard, { limit: 10 }),
  reap: (shard) => calls.reap(shard, { limit: 10 }),
  lead: (shard) => calls.lead(shard, { holder: 'w1', leaseMs: 1_000 }),
  resign: (shard) => calls.resign(shard, { holder: 'w1' }),
  set_epoch: async (shard) => calls.setEpoch(shard, { epoch: 8, state: 'ready', runId: await readRunId(shard.redis) }),
  missing: (shard) => calls.missing(shard, {}, [{ id: 'x' }]),
};

const FORBIDDEN: readonly (readonly string[])[] = [
  ['GET', 'other'],
  ['SET', 'other', '2'],
  ['GET', '{other:low:0}:task:a'],
  ['FCALL', 'tf1_claim', '1', '{other:low:0}', 'w1', '1', '1000', '0', '*', 'echo'],
  ['KEYS', '*'],
  ['SCAN', '0'],
  ['DBSIZE'],
  ['FLUSHALL'],
  ['FLUSHDB'],
  ['CONFIG', 'GET', '*'],
  ['ACL', 'LIST'],
  ['EVAL', 'return 1', '0'],
  ['FUNCTION', 'LIST'],
  ['FUNCTION', 'LOAD', 'REPLACE', buildLibrary(STATES)],
  ['FUNCTION', 'FLUSH'],
  ['CLIENT', 'LIST'],
  ['CLIENT', 'KILL', 'TYPE', 'normal'],
  ['MONITOR'],
  ['SHUTDOWN'],
  ['PUBLISH', '{tf:low:0}:control', 'x'],
  ['PUBLISH', 'tf:low:realtime:0', 'x'],
  ['XRANGE', '{tf:low:0}:events', '-', '+'],
  ['DEL', '{tf:low:0}:events'],
  ['DEL', '{tf:low:0}:meta'],
  ['HSET', '{tf:low:0}:meta', 'epoch', '9'],
  ['LRANGE', '{tf:low:0}:line:NORMAL|default|echo', '0', '-1'],
  ['SET', '{tf:low:0}:task:a', 'x'],
  ['SADD', '{tf:low:0}:paused', 'default'],
  ['SET', '{tf:low:0}:leader', 'w1'],
];

describe('the TypeScript worker', () => {
  test('runs with these rights from its start to its end', { timeout: 60_000 }, async () => {
    await using own = await startPrivateRedis();
    await using system = await startSystem({ redis: own, settings: { REDIS_KEY_PREFIX: WORKER_PREFIX } });
    const { redis: owner } = system.app.broker.low;
    await setWorkerUser(owner, await readWorkerRules());
    await system.start('manager');
    const process = await system.start('worker', WORKER_LOGIN);
    await system.submit(200, 'echo', { n: 1 });
    await system.submit(20, 'sleep', { ms: 200, steps: 4 }, { priority: 'HIGH' });
    await system.submit(5, 'fail', { message: 'no', untilAttempt: 2 }, { backoff: { kind: 'FIXED', delayMs: 10 } });
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 225 });
    const [id] = await system.submit(1, 'sleep', { ms: 60_000 });
    await waitFor(async () => (await system.countByStatus()).PROCESSING === 1);
    await system.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id });
    await waitFor(async () => (await system.countByStatus()).CANCELLED === 1);
    expect(await process.kill()).toEqual({ code: 0, signal: null });
    expect(await owner.hkeys('{tf:low:0}:workers')).toEqual([]);
    expect(process.output()).not.toMatch(REFUSAL);
    // Newer Redis is told a client's name, which ioredis does without.
    expect((await workerRefusals(owner)).filter((each) => !each.includes('setinfo'))).toEqual([]);
  });
});
