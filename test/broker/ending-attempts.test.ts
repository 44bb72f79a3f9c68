import { describe, expect, test } from 'vitest';
import { complete, extendLeases, fail, release } from '../../src/broker/calls.ts';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import { META, setupShard, type TestShard } from '../support/shard-setup.ts';
import { dumpShard, event, headOf, inAbout } from '../support/shard-state.ts';

/** A shard in which worker w1 holds these tasks, each by token 7.2, and the events so far are forgotten. */
const withHeld = async (ids: string[], head: Parameters<TestShard['add']>[1] = {}): Promise<TestShard> => {
  const t = await setupShard();
  for (const id of ids) await t.add(id, head);
  await t.claim({ limit: 1_000 });
  await t.clearEvents();
  await t.shard.lane.redis.del(`${t.shard.tag}:wake:*|echo`);
  return t;
};

const held = { attempt: 1, workerId: 'w1' };
const report = (id: string, more: Partial<{ token: string; result: string }> = {}) => ({
  id,
  token: '7.2',
  result: '1',
  ...more,
});
const failure = (
  id: string,
  more: Partial<{ token: string; error: string; retry: number; delayMs: number | '' }> = {},
) => ({
  id,
  token: '7.2',
  error: '{"message":"no"}',
  retry: 1,
  delayMs: '' as const,
  ...more,
});

describe.each([
  ['completing', (t: TestShard, token: string) => complete(t.shard, { worker: 'w2' }, [report('a', { token })])],
  ['failing', (t: TestShard, token: string) => fail(t.shard, { worker: 'w2' }, [failure('a', { token })])],
  ['releasing', (t: TestShard, token: string) => release(t.shard, { worker: 'w2' }, [{ id: 'a', token }])],
  [
    'extending',
    async (t: TestShard, token: string) =>
      (await extendLeases(t.shard, { leaseMs: 60_000 }, [{ id: 'a', token }])).lost,
  ],
])('%s', (_, end) => {
  test.each([
    ['of an earlier attempt', '7.1'],
    ['of an earlier epoch', '6.2'],
    ['that is empty', ''],
  ])('with a token %s changes nothing', async (_name, token) => {
    await using t = await withHeld(['a']);
    const before = await dumpShard(t.shard);
    expect(await end(t, token)).toEqual(['a']);
    expect(await dumpShard(t.shard)).toEqual(before);
  });

  test('a task that nobody holds changes nothing, even with an empty token', async () => {
    await using t = await withHeld(['a']);
    await release(t.shard, { worker: 'w1' }, [{ id: 'a', token: '7.2' }]);
    const before = await dumpShard(t.shard);
    expect(await end(t, '7.2')).toEqual(['a']);
    expect(await end(t, '')).toEqual(['a']);
    expect(await dumpShard(t.shard)).toEqual(before);
  });

  test('a task that is unknown changes nothing', async () => {
    await using t = await setupShard();
    expect(await end(t, '7.2')).toEqual(['a']);
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });

  test('does nothing in a shard that lost its data', async () => {
    await using t = await withHeld(['a']);
    await t.loseData();
    const before = await dumpShard(t.shard);
    await expect(end(t, '7.2')).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual(before);
  });
});

describe('completing', () => {
  test('forgets the task, keeps its result in the event, and leaves no key behind', async () => {
    await using t = await withHeld(['a']);
    expect(await complete(t.shard, { worker: 'w1' }, [report('a', { result: '{"ok":true}' })])).toEqual([]);
    const events = [[event('a', 3, 'COMPLETED', { ...held, data: '{"ok":true}' })]];
    expect(await dumpShard(t.shard)).toEqual({ meta: META, events });
  });

  test('ends a task once, also within one call', async () => {
    await using t = await withHeld(['a']);
    const both = [report('a', { result: '1' }), report('a', { result: '2' })];
    expect(await complete(t.shard, { worker: 'w1' }, both)).toEqual(['a']);
    expect(await complete(t.shard, { worker: 'w1' }, both)).toEqual(['a', 'a']);
    const events = [[event('a', 3, 'COMPLETED', { ...held, data: '1' })]];
    expect(await dumpShard(t.shard)).toEqual({ meta: META, events });
  });

  test('of many tasks says which leases were lost, and appends one entry', async () => {
    const ids = Array.from({ length: 300 }, (_, i) => `t${i}`);
    await using t = await withHeld(ids);
    const reports = ids.map((id, i) => report(id, { token: i % 3 === 0 ? '7.1' : '7.2' }));
    const lost = await complete(t.shard, { worker: 'w1' }, reports);
    expect(lost).toEqual(ids.filter((_, i) => i % 3 === 0));
    const { events, counts } = await dumpShard(t.shard);
    expect(events).toMatchObject([{ length: 200 }]);
    expect(counts).toEqual({ 'default|PROCESSING': '100' });
  });

  test.each([
    ['{"a":\t1,\r\n"b":"\\t\\n"}', '{"a": 1,  "b":"\\t\\n"}'],
    ['"日本 🦀"', '"日本 🦀"'],
    ['', ''],
    ['no JSON\0', 'no JSON '],
  ])('keeps the result %j in one field', async (result, data) => {
    await using t = await withHeld(['a']);
    await complete(t.shard, { worker: 'w1' }, [report('a', { result })]);
    expect(await dumpShard(t.shard)).toMatchObject({ events: [[event('a', 3, 'COMPLETED', { ...held, data })]] });
  });
});

describe('failing', () => {
  test('schedules the next attempt while attempts are left', async () => {
    await using t = await withHeld(['a']);
    expect(await fail(t.shard, { worker: 'w1' }, [failure('a', { delayMs: 60_000 })])).toEqual([]);
    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'task:a': `${headOf()}\n{"n":1}`,
      'run:a': `3\t1\t\t\t${headOf()}`,
      scheduled: { a: inAbout(60_000) },
      timer: ['1'],
      counts: { 'default|SCHEDULED': '1' },
      events: [[event('a', 3, 'SCHEDULED', { ...held, runAtMs: inAbout(60_000), data: '{"message":"no"}' })]],
    });
  });

  test('ends the task, and leaves no key behind, when its attempts are used up', async () => {
    await using t = await withHeld(['a'], { maxAttempts: 1 });
    await fail(t.shard, { worker: 'w1' }, [failure('a')]);
    const events = [[event('a', 3, 'FAILED', { ...held, data: '{"message":"no"}' })]];
    expect(await dumpShard(t.shard)).toEqual({ meta: META, events });
  });

  test('ends the task when trying again is pointless', async () => {
    await using t = await withHeld(['a']);
    await fail(t.shard, { worker: 'w1' }, [failure('a', { retry: 0, delayMs: 5 })]);
    expect(await dumpShard(t.shard)).toMatchObject({ events: [[{ status: 'FAILED' }]] });
    expect(await dumpShard(t.shard)).not.toHaveProperty('task:a');
  });

  test.each([
    [1, 500, 1_000],
    [4, 4_000, 8_000],
    [13, 1_800_000, 3_600_000],
    [90, 1_800_000, 3_600_000],
  ])('waits after attempt %i between %i and %i ms', async (attempt, least, most) => {
    const ids = Array.from({ length: 50 }, (_, i) => `t${i}`);
    await using t = await withHeld(ids, { maxAttempts: 100 });
    const { redis } = t.shard.lane;
    for (const id of ids)
      await redis.set(`${t.shard.tag}:run:${id}`, `2\t${attempt}\t7.2\tw1\t${headOf({ maxAttempts: 100 })}`);

    await fail(
      t.shard,
      { worker: 'w1' },
      ids.map((id) => failure(id)),
    );

    const [entry] = await redis.xrange(`${t.shard.tag}:events`, '-', '+');
    const at = Number(entry?.[1][1]);
    const delays = Object.values((await dumpShard(t.shard)).scheduled as Record<string, number>).map((due) => due - at);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(least);
    expect(Math.max(...delays)).toBeLessThanOrEqual(most);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan((most - least) / 3);
  });

  test('spreads retries differently at each call', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `t${i}`);
    await using t = await withHeld(ids, { maxAttempts: 100 });
    const { redis } = t.shard.lane;
    const delays = new Set<number>();
    for (const id of ids) {
      await redis.set(`${t.shard.tag}:run:${id}`, `2\t13\t7.2\tw1\t${headOf({ maxAttempts: 100 })}`);
      await fail(t.shard, { worker: 'w1' }, [failure(id)]);
      const [entry] = await redis.xrevrange(`${t.shard.tag}:events`, '+', '-', 'COUNT', 1);
      delays.add(Number(await redis.zscore(`${t.shard.tag}:scheduled`, id)) - Number(entry?.[1][1]));
    }
    expect(delays.size).toBeGreaterThan(15);
  });
});

describe('releasing', () => {
  test('puts the task at the front of its line without using up the attempt, and wakes a worker', async () => {
    await using t = await withHeld(['a']);
    await t.add('b');
    expect(await release(t.shard, { worker: 'w1' }, [{ id: 'a', token: '7.2' }])).toEqual([]);
    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'task:a': `${headOf()}\n{"n":1}`,
      'task:b': `${headOf()}\n{"n":1}`,
      'run:a': `3\t0\t\t\t${headOf()}`,
      'line:NORMAL|default|echo': ['b', 'a'],
      lines: ['NORMAL|default|echo'],
      'wake:default|echo': ['1'],
      'wake:*|echo': ['1'],
      counts: { 'default|QUEUED': '2' },
      events: [[event('a', 3, 'QUEUED', { workerId: 'w1', data: '{"reason":"RELEASED"}' })]],
    });
    expect(await t.claim({ limit: 1 })).toMatchObject([{ id: 'a', attempt: 1, token: '7.4' }]);
  });

  test('wakes a worker for each line in one call', async () => {
    await using t = await setupShard();
    for (const queue of ['one', 'two']) await t.add(queue, { queue });
    const claims = await t.claim();
    await release(
      t.shard,
      { worker: 'w1' },
      claims.map(({ id, token }) => ({ id, token })),
    );
    expect(await dumpShard(t.shard)).toMatchObject({
      'wake:one|echo': ['1'],
      'wake:two|echo': ['1'],
      lines: { length: 2 },
    });
  });
});

describe('extending leases', () => {
  test('counts them from now, and tells which are lost', async () => {
    await using t = await withHeld(['a', 'b', 'c']);
    await t.expire('a', 'b');
    const before = await dumpShard(t.shard);
    const attempts = [
      { id: 'a', token: '7.2' },
      { id: 'b', token: '7.1' },
      { id: 'x', token: '7.2' },
    ];
    expect(await extendLeases(t.shard, { leaseMs: 90_000 }, attempts)).toEqual({ lost: ['b', 'x'], stopping: [] });
    expect(await dumpShard(t.shard)).toEqual({ ...before, leases: { a: inAbout(90_000), b: 1, c: inAbout(30_000) } });
  });
});
