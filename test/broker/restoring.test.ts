import { describe, expect, test } from 'vitest';
import { complete, missing, restore, setEpoch } from '../../src/broker/calls.ts';
import { BrokerNotReadyError, BrokerStaleError } from '../../src/broker/define-function.ts';
import { META, setupShard } from '../support/shard-setup.ts';
import { dumpShard, event, headOf } from '../support/shard-state.ts';

const item = (
  id: string,
  status: string,
  more: Partial<{ seq: number; attempt: number; runAt: number | '' }> = {},
) => ({
  id,
  status,
  seq: 1,
  attempt: 0,
  runAt: '' as const,
  cancelReason: '',
  head: headOf(),
  payload: '{}',
  ...more,
});

describe('restoring', () => {
  test('puts tasks back as they were; one that was running is queued again', async () => {
    await using t = await setupShard();
    const due = Date.now() + 60_000;
    const items = [
      item('new', 'QUEUED'),
      item('again', 'QUEUED', { seq: 3, attempt: 1 }),
      item('ran', 'PROCESSING', { seq: 4, attempt: 2 }),
      item('later', 'SCHEDULED', { seq: 1, runAt: due }),
      item('retry', 'SCHEDULED', { seq: 5, attempt: 2, runAt: due + 1 }),
    ];

    expect(await restore(t.shard, { epoch: 7 }, items)).toBe(5);

    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      ...Object.fromEntries(items.map(({ id }) => [`task:${id}`, `${headOf()}\n{}`])),
      'run:again': `3\t1\t\t\t${headOf()}`,
      'run:ran': `5\t2\t\t\t${headOf()}`,
      'run:retry': `5\t2\t\t\t${headOf()}`,
      'line:NORMAL|default|echo': ['ran', 'again', 'new'],
      lines: ['NORMAL|default|echo'],
      'wake:default|echo': ['1'],
      'wake:*|echo': ['1'],
      scheduled: { later: due, retry: due + 1 },
      timer: ['1'],
      counts: { 'default|QUEUED': '3', 'default|SCHEDULED': '2' },
      events: [[event('ran', 5, 'QUEUED', { attempt: 2, data: '{"reason":"BROKER_LOST"}' })]],
    });
    expect(await t.claim()).toMatchObject([
      { id: 'new', attempt: 1, token: '7.2' },
      { id: 'again', attempt: 2, token: '7.4' },
      { id: 'ran', attempt: 3, token: '7.6' },
    ]);
  });

  test('leaves a task alone that is there', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.claim();
    const before = await dumpShard(t.shard);
    expect(await restore(t.shard, { epoch: 7 }, [item('a', 'PROCESSING', { seq: 2, attempt: 1 })])).toBe(0);
    expect(await dumpShard(t.shard)).toEqual(before);
  });

  test.each([6, 8])("refuses epoch %i, which is not the shard's", async (epoch) => {
    await using t = await setupShard();
    await expect(restore(t.shard, { epoch }, [item('a', 'QUEUED')])).rejects.toThrow(BrokerStaleError);
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });

  test('does nothing in a shard that lost its data again', async () => {
    await using t = await setupShard();
    await t.loseData();
    await expect(restore(t.shard, { epoch: 7 }, [item('a', 'QUEUED')])).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual({});
  });

  test('takes many at once', async () => {
    await using t = await setupShard();
    const items = Array.from({ length: 500 }, (_, i) => item(`t${i}`, 'PROCESSING', { seq: 2, attempt: 1 }));
    expect(await restore(t.shard, { epoch: 7 }, items)).toBe(500);
    expect(await dumpShard(t.shard)).toMatchObject({ events: [{ length: 500 }], counts: { 'default|QUEUED': '500' } });
  });
});

describe("a shard's epoch", () => {
  test('grows, with the state and the server that it belongs to', async () => {
    await using t = await setupShard();
    expect(await setEpoch(t.shard, { epoch: 8, state: 'rebuilding', runId: 'other' })).toBe(true);
    expect(await dumpShard(t.shard)).toEqual({ meta: { epoch: '8', state: 'rebuilding', runId: 'other' } });
  });

  test('may change its state, and be set again', async () => {
    await using t = await setupShard();
    expect(await setEpoch(t.shard, { epoch: 7, state: 'rebuilding', runId: 'run' })).toBe(true);
    expect(await setEpoch(t.shard, { epoch: 7, state: 'ready', runId: 'run' })).toBe(true);
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });

  test('never shrinks', async () => {
    await using t = await setupShard();
    expect(await setEpoch(t.shard, { epoch: 10, state: 'ready', runId: 'run' })).toBe(true);
    expect(await setEpoch(t.shard, { epoch: 9, state: 'rebuilding', runId: 'other' })).toBe(false);
    expect(await dumpShard(t.shard)).toEqual({ meta: { ...META, epoch: '10' } });
  });

  test('is not begun as ready where the data is lost: that would hide the loss', async () => {
    await using t = await setupShard();
    await t.loseData();
    await expect(setEpoch(t.shard, { epoch: 8, state: 'ready', runId: 'run' })).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual({});
    expect(await setEpoch(t.shard, { epoch: 8, state: 'rebuilding', runId: 'run' })).toBe(true);
  });
});

test('asking what is missing names what is not live, and changes nothing', async () => {
  await using t = await setupShard();
  await t.add('done');
  const [claimed] = await t.claim();
  await complete(t.shard, { worker: 'w1' }, [{ id: 'done', token: claimed?.token ?? '', result: '1' }]);
  await t.add('held');
  await t.claim();
  await t.add('waits');
  await t.add('later', { runAt: Date.now() + 60_000 });
  const before = await dumpShard(t.shard);
  const items = ['waits', 'x', 'held', 'done', 'later'].map((id) => ({ id }));
  expect(await missing(t.shard, {}, items)).toEqual(['x', 'done']);
  expect(await missing(t.shard, {})).toEqual([]);
  expect(await dumpShard(t.shard)).toEqual(before);
});
