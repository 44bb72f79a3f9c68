import { describe, expect, test } from 'vitest';
import { complete, enqueue } from '../../src/broker/calls.ts';
import { BrokerNotReadyError, BrokerStaleError } from '../../src/broker/define-function.ts';
import { ownerCountsKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { META, setupShard } from '../support/shard-setup.ts';
import { dumpShard, headOf, inAbout, TEST_OWNER } from '../support/shard-state.ts';

const item = (id: string, more: Partial<{ runAt: number | ''; head: string; payload: string }> = {}) => ({
  id,
  seq: 1,
  runAt: '' as const,
  head: headOf(),
  payload: '{}',
  ...more,
});

describe('enqueueing', () => {
  test('puts a task into its line and wakes the workers of its queue and of all queues', async () => {
    await using t = await setupShard();

    expect(await enqueue(t.shard, { epoch: 7 }, [item('a', { payload: '{"n":1}' })])).toBe('7');

    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'task:a': `${headOf()}\n{"n":1}`,
      'line:NORMAL|default|echo': ['a'],
      lines: ['NORMAL|default|echo'],
      'wake:default|echo': ['1'],
      'wake:*|echo': ['1'],
      counts: { 'default|QUEUED': '1' },
    });
  });

  test('keeps a task that is due later aside and wakes the promoter', async () => {
    await using t = await setupShard();
    const due = Date.now() + 60_000;

    await enqueue(t.shard, { epoch: 7 }, [item('a', { runAt: due })]);

    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'task:a': `${headOf()}\n{}`,
      scheduled: { a: due },
      timer: ['1'],
      counts: { 'default|SCHEDULED': '1' },
    });
  });

  test('wakes the promoter only for a task that is due before the others', async () => {
    await using t = await setupShard();
    await enqueue(t.shard, { epoch: 7 }, [item('a', { runAt: Date.now() + 60_000 })]);
    await t.shard.lane.redis.del(`${t.shard.tag}:timer`);

    await enqueue(t.shard, { epoch: 7 }, [item('later', { runAt: Date.now() + 90_000 })]);
    expect(await dumpShard(t.shard)).not.toHaveProperty('timer');
    await enqueue(t.shard, { epoch: 7 }, [item('earlier', { runAt: Date.now() + 30_000 })]);
    expect(await dumpShard(t.shard)).toMatchObject({
      timer: ['1'],
      scheduled: { earlier: inAbout(30_000), a: inAbout(60_000), later: inAbout(90_000) },
    });
  });

  test('leaves a task alone that is there already, waiting, held or scheduled', async () => {
    await using t = await setupShard();
    await t.add('waits');
    await t.add('held', { type: 'other' });
    await t.add('later', { runAt: Date.now() + 60_000 });
    await t.claim({ types: 'other' });
    const before = await dumpShard(t.shard);

    const other = { head: headOf({ queue: 'elsewhere' }), payload: '2' };
    await enqueue(
      t.shard,
      { epoch: 7 },
      ['waits', 'held', 'later'].map((id) => item(id, other)),
    );

    expect(await dumpShard(t.shard)).toEqual(before);
  });

  test('takes many at once, with one token for each line', async () => {
    await using t = await setupShard();
    const ids = Array.from({ length: 500 }, (_, i) => `t${i}`);
    await enqueue(
      t.shard,
      { epoch: 7 },
      ids.map((id, i) => item(id, { head: headOf({ queue: i % 2 === 0 ? 'even' : 'odd' }) })),
    );

    const state = await dumpShard(t.shard);
    expect(state).toMatchObject({
      lines: ['NORMAL|even|echo', 'NORMAL|odd|echo'],
      'wake:even|echo': ['1'],
      'wake:odd|echo': ['1'],
      'wake:*|echo': ['1'],
      counts: { 'even|QUEUED': '250', 'odd|QUEUED': '250' },
    });
    expect(state['line:NORMAL|even|echo']).toEqual(ids.filter((_, i) => i % 2 === 0).reverse());
  });

  test.each([
    ['tabs and escaped newlines', '{"a":"\\t\\n",\t"b":1}'],
    ['characters of two to four bytes', '{"ключ":"日本 🦀 é"}'],
    ['control characters', '"\u0001\u007f"'],
  ])('gives a payload with %s to the worker as it was', async (_, payload) => {
    await using t = await setupShard();
    await t.add('a', { payload });
    const [claimed] = await t.claim();
    expect(claimed?.payload).toBe(payload);
  });

  test('accepts the epoch of now, and the one before', async () => {
    await using t = await setupShard();
    await enqueue(t.shard, { epoch: 7 }, [item('a')]);
    await enqueue(t.shard, { epoch: 6 }, [item('b')]);
    expect(await dumpShard(t.shard)).toMatchObject({ counts: { 'default|QUEUED': '2' } });
  });

  test('refuses an older epoch, says the present one, and changes nothing', async () => {
    await using t = await setupShard();
    const failure = enqueue(t.shard, { epoch: 5 }, [item('a')]);
    await expect(failure).rejects.toThrow(BrokerStaleError);
    await expect(failure).rejects.toMatchObject({ epoch: '7' });
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });

  test('compares epochs as numbers', async () => {
    await using t = await setupShard();
    await t.shard.lane.redis.hset(`${t.shard.tag}:meta`, 'epoch', '10');
    await enqueue(t.shard, { epoch: '9' }, [item('a')]);
    await expect(enqueue(t.shard, { epoch: '8' }, [item('b')])).rejects.toThrow(BrokerStaleError);
  });

  test('does nothing in a shard that lost its data', async () => {
    await using t = await setupShard();
    await t.loseData();
    await expect(enqueue(t.shard, { epoch: 7 }, [item('a')])).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual({});
  });
});

describe('the counts of owners', () => {
  const OTHER = '01900000-0000-7000-8000-00000000beef';
  const readCounts = ({ lane, tag }: Shard) => lane.redis.hgetall(ownerCountsKey(tag));

  test('are of all their queues, by status, and go with the last task', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.add('b', { queue: 'other' });
    await t.add('c', { queue: 'third', ownerId: OTHER, runAt: Date.now() + 60_000 });
    expect(await readCounts(t.shard)).toEqual({ [`${TEST_OWNER}|QUEUED`]: '2', [`${OTHER}|SCHEDULED`]: '1' });

    const [held] = await t.claim({ limit: 1 });
    expect(await readCounts(t.shard)).toMatchObject({
      [`${TEST_OWNER}|QUEUED`]: '1',
      [`${TEST_OWNER}|PROCESSING`]: '1',
    });
    await complete(t.shard, { worker: 'w1' }, [{ id: held?.id ?? '', token: held?.token ?? '', result: '{}' }]);
    expect(await readCounts(t.shard)).toEqual({ [`${TEST_OWNER}|QUEUED`]: '1', [`${OTHER}|SCHEDULED`]: '1' });
  });

  test('are not below 0 where a task was there before owners were counted', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.shard.lane.redis.del(ownerCountsKey(t.shard.tag));

    await t.claim();

    expect(await readCounts(t.shard)).toEqual({ [`${TEST_OWNER}|PROCESSING`]: '1' });
  });
});
