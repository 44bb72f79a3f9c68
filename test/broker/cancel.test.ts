import { describe, expect, test } from 'vitest';
import { cancel, claim, complete, enqueue, extendLeases, fail, reap, release } from '../../src/broker/calls.ts';
import { controlChannel } from '../../src/broker/keys.ts';
import { setupShard, type TestShard } from '../support/shard-setup.ts';
import { dumpShard, headOf } from '../support/shard-state.ts';

const REASON = '{"reason":"CANCELLED","message":"no longer needed"}';
const cancelled = (t: TestShard, ...ids: string[]) =>
  cancel(
    t.shard,
    { deadlineMs: 10_000 },
    ids.map((id) => ({ id, reason: REASON })),
  );
const claimAll = (t: TestShard) =>
  claim(t.shard, { worker: 'w1', limit: 10, leaseMs: 30_000, lowFirst: 0, queues: '*', types: 'echo' });

const eventsOf = async (t: TestShard): Promise<string[]> => {
  const entries = await t.shard.lane.redis.xrange(`${t.shard.tag}:events`, '-', '+');
  return entries
    .flatMap(([, fields]) => (fields[3] as string).split('\n'))
    .map((line) => {
      const [id, seq, status, attempt, , , , , , data] = line.split('\t');
      return `${id} ${seq} ${status} ${attempt} ${data}`;
    });
};

describe('cancelling a waiting task', () => {
  test('ends it at once, and leaves nothing of it but its place in the line', async () => {
    await using t = await setupShard();
    await t.add('a');
    expect(await cancelled(t, 'a')).toEqual([{ state: 'CANCELLED', seq: 2 }]);
    expect(await eventsOf(t)).toEqual([`a 2 CANCELLED 0 ${REASON}`]);
    expect(await claimAll(t)).toEqual([]);
    const after = await dumpShard(t.shard);
    expect(Object.keys(after).filter((key) => !['meta', 'events'].includes(key) && !key.startsWith('wake:'))).toEqual(
      [],
    );
  });

  test('that is not due yet takes it out of the schedule', async () => {
    await using t = await setupShard();
    await t.add('a', { runAt: Date.now() + 60_000 });
    expect(await cancelled(t, 'a')).toEqual([{ state: 'CANCELLED', seq: 2 }]);
    expect(await t.shard.lane.redis.exists(`${t.shard.tag}:scheduled`, `${t.shard.tag}:counts`)).toBe(0);
  });

  test('that is put back afterwards lets it run once, though it stands in the line twice', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.add('b');
    await cancelled(t, 'a');
    await enqueue(t.shard, { epoch: 7 }, [{ id: 'a', seq: 3, runAt: '', head: headOf(), payload: '{"n":1}' }]);
    const claims = await claimAll(t);
    expect(claims.map(({ id, attempt }) => `${id} ${attempt}`).sort()).toEqual(['a 1', 'b 1']);
    expect(await claimAll(t)).toEqual([]);
    expect(await t.shard.lane.redis.exists(`${t.shard.tag}:stale`)).toBe(0);
  });

  test('ends it, where running ones are to be let run', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.claim();
    await t.add('b');
    await t.clearEvents();
    const items = ['a', 'b', 'c'].map((id) => ({ id, reason: REASON }));
    expect(await cancel(t.shard, { deadlineMs: '' }, items)).toEqual([
      { state: 'RUNNING', seq: undefined },
      { state: 'CANCELLED', seq: 2 },
      { state: 'UNKNOWN', seq: undefined },
    ]);
    expect(await eventsOf(t)).toEqual([`b 2 CANCELLED 0 ${REASON}`]);
  });

  test('that is unknown here says so, and writes nothing', async () => {
    await using t = await setupShard();
    const before = await dumpShard(t.shard);
    expect(await cancelled(t, 'x')).toEqual([{ state: 'UNKNOWN', seq: undefined }]);
    expect(await dumpShard(t.shard)).toEqual(before);
  });
});

describe('cancelling a running task', () => {
  const held = async () => {
    const t = await setupShard();
    await t.add('a');
    const [attempt] = await claimAll(t);
    return { t, token: attempt?.token as string };
  };

  test('tells its worker, once, and lets it go on until it lets go', async () => {
    const { t, token } = await held();
    await using _ = t;
    const subscriber = t.shard.lane.connect();
    const heard: string[] = [];
    subscriber.on('message', (_channel, message: string) => heard.push(message));
    await subscriber.subscribe(controlChannel(t.shard.tag));
    expect(await cancelled(t, 'a')).toEqual([{ state: 'STOPPING', seq: 3 }]);
    expect(await cancelled(t, 'a')).toEqual([{ state: 'STOPPING', seq: 3 }]);
    // Messages of a connection come in order: the reply to this one comes after them.
    await subscriber.ping();
    subscriber.disconnect();
    expect(heard).toEqual([`w1\ta\t${token}\t${REASON}`]);
    expect(await extendLeases(t.shard, { leaseMs: 30_000 }, [{ id: 'a', token }])).toEqual({
      lost: [],
      stopping: [{ id: 'a', reason: REASON }],
    });
    expect((await eventsOf(t)).at(-1)).toBe(`a 3 PROCESSING 1 ${REASON}`);
  });

  test.each([
    [
      'completes',
      (t: TestShard, token: string) => complete(t.shard, { worker: 'w1' }, [{ id: 'a', token, result: '1' }]),
    ],
    [
      'fails',
      (t: TestShard, token: string) =>
        fail(t.shard, { worker: 'w1' }, [{ id: 'a', token, error: '{}', retry: 1, delayMs: '' }]),
    ],
    ['is handed back', (t: TestShard, token: string) => release(t.shard, { worker: 'w1' }, [{ id: 'a', token }])],
  ])('ends it CANCELLED when its attempt %s', async (_name, end) => {
    const { t, token } = await held();
    await using _ = t;
    await cancelled(t, 'a');
    expect(await end(t, token)).toEqual([]);
    expect((await eventsOf(t)).at(-1)).toBe(`a 4 CANCELLED 1 ${REASON}`);
    const after = await dumpShard(t.shard);
    expect(Object.keys(after).filter((key) => !['meta', 'events'].includes(key) && !key.startsWith('wake:'))).toEqual(
      [],
    );
  });

  test.each([
    ['its deadline passes', ':cancel-deadlines'],
    ['its lease expires', ':leases'],
  ])('ends it CANCELLED without its worker when %s', async (_name, set) => {
    const { t, token } = await held();
    await using _ = t;
    await cancelled(t, 'a');
    expect(await reap(t.shard, { limit: 10 })).toBe(0);
    await t.shard.lane.redis.zadd(`${t.shard.tag}${set}`, 1, 'a');
    expect(await reap(t.shard, { limit: 10 })).toBe(1);
    expect((await eventsOf(t)).at(-1)).toBe(`a 4 CANCELLED 1 ${REASON}`);
    expect(await complete(t.shard, { worker: 'w1' }, [{ id: 'a', token, result: '1' }])).toEqual(['a']);
  });
});
