import { describe, expect, test } from 'vitest';
import { claim, keepLogs, reportProgress } from '../../src/broker/calls.ts';
import { decodeEntry } from '../../src/broker/event-stream.ts';
import { setupShard, type TestShard } from '../support/shard-setup.ts';
import { dumpShard } from '../support/shard-state.ts';

const withHeld = async () => {
  const t = await setupShard();
  await t.add('a');
  const [held] = await claim(t.shard, {
    worker: 'w1',
    limit: 1,
    leaseMs: 30_000,
    lowFirst: 0,
    queues: '*',
    types: 'echo',
  });
  return { t, token: held?.token as string };
};

const lastEntry = async (t: TestShard) => {
  const [[id, fields] = ['', []]] = await t.shard.lane.redis.xrevrange(`${t.shard.tag}:events`, '+', '-', 'COUNT', 1);
  return decodeEntry(id, fields);
};

describe('progress', () => {
  test('of a held attempt is one entry, and changes nothing else', async () => {
    const { t, token } = await withHeld();
    await using _ = t;
    const { events: _before, ...before } = await dumpShard(t.shard);
    expect(await reportProgress(t.shard, {}, [{ id: 'a', token, percent: 12.5, detail: '{"n":\t1}' }])).toEqual([]);
    expect((await lastEntry(t)).progress).toMatchObject([
      { taskId: 'a', attempt: 1, percent: 12.5, detail: '{"n": 1}' },
    ]);
    const { events: _after, ...after } = await dumpShard(t.shard);
    expect(after).toEqual(before);
  });

  test('keeps a detail of 4 KiB, and of a larger one its size', async () => {
    const { t, token } = await withHeld();
    await using _ = t;
    const fits = JSON.stringify({ detail: 'x'.repeat(4_094) }).padEnd(4_112);
    await reportProgress(t.shard, {}, [
      { id: 'a', token, percent: 1, detail: fits },
      { id: 'a', token, percent: 2, detail: `${fits} ` },
    ]);
    const { progress } = await lastEntry(t);
    expect(progress.map(({ detail }) => detail)).toEqual([
      fits,
      '{"detail":{"error":"DETAIL_TOO_LARGE","bytes":4113,"limit":4096}}',
    ]);
  });

  test('of a lost attempt is refused', async () => {
    const { t } = await withHeld();
    await using _ = t;
    const before = await dumpShard(t.shard);
    expect(await reportProgress(t.shard, {}, [{ id: 'a', token: '7.1', percent: 1, detail: '' }])).toEqual(['a']);
    expect(await dumpShard(t.shard)).toEqual(before);
  });

  test.each([
    ['much', 0],
    ['-5', 0],
    ['1e999', 100],
  ])('of %s, as another language may send it, becomes %s', async (percent, expected) => {
    const { t, token } = await withHeld();
    await using _ = t;
    await reportProgress(t.shard, {}, [{ id: 'a', token, percent, detail: '' }]);
    expect((await lastEntry(t)).progress).toMatchObject([{ percent: expected }]);
  });
});

describe('log lines', () => {
  test('of a held attempt stand in one entry, after the seq of its claim', async () => {
    const { t, token } = await withHeld();
    await using _ = t;
    const record = '{"level":"info","message":"hi"}';
    const lines = [1, 2].map((number) => ({ id: 'a', token, number, record }));
    expect(await keepLogs(t.shard, {}, lines)).toEqual([]);
    expect((await lastEntry(t)).logs).toMatchObject([
      { taskId: 'a', attempt: 1, claimedAtSeq: 2, number: 1, record },
      { taskId: 'a', attempt: 1, claimedAtSeq: 2, number: 2, record },
    ]);
  });

  test('of a lost attempt are refused', async () => {
    const { t } = await withHeld();
    await using _ = t;
    expect(await keepLogs(t.shard, {}, [{ id: 'a', token: '7.1', number: 1, record: '{}' }])).toEqual(['a']);
    expect((await lastEntry(t)).logs).toEqual([]);
  });

  test.each([
    ['first', 0],
    ['99999999999', 2_147_483_647],
  ])('numbered %s, as another language may do it, get a number that can be kept', async (number, expected) => {
    const { t, token } = await withHeld();
    await using _ = t;
    await keepLogs(t.shard, {}, [{ id: 'a', token, number, record: '{}' }]);
    expect((await lastEntry(t)).logs).toMatchObject([{ number: expected }]);
  });
});
