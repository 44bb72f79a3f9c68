import { describe, expect, test } from 'vitest';
import {
  cancel,
  claim,
  complete,
  enqueue,
  extendLeases,
  fail,
  keepLogs,
  lead,
  missing,
  pause,
  promote,
  purge,
  reap,
  release,
  reportProgress,
  restore,
  setEpoch,
} from '../../src/broker/calls.ts';
import { BrokerNotReadyError, BrokerStaleError } from '../../src/broker/define-function.ts';
import { metaKey } from '../../src/broker/keys.ts';
import type { Shard } from '../../src/broker/lanes.ts';
import { readRunId } from '../../src/broker/run-id.ts';
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
  const epochOf = (runId: string, state: string, epoch: number) => ({ epoch, state, runId });

  test('grows, with the state', async () => {
    await using t = await setupShard();
    const runId = await readRunId(t.shard.redis);
    expect(await setEpoch(t.shard, epochOf(runId, 'rebuilding', 8))).toBe(true);
    expect(await dumpShard(t.shard)).toEqual({ meta: { epoch: '8', state: 'rebuilding', runId } });
  });

  test('may change its state, and be set again', async () => {
    await using t = await setupShard();
    const runId = await readRunId(t.shard.redis);
    expect(await setEpoch(t.shard, epochOf(runId, 'rebuilding', 7))).toBe(true);
    expect(await setEpoch(t.shard, epochOf(runId, 'ready', 7))).toBe(true);
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });

  test('never shrinks', async () => {
    await using t = await setupShard();
    const runId = await readRunId(t.shard.redis);
    expect(await setEpoch(t.shard, epochOf(runId, 'ready', 10))).toBe(true);
    expect(await setEpoch(t.shard, epochOf(runId, 'rebuilding', 9))).toBe(false);
    expect(await dumpShard(t.shard)).toEqual({ meta: { ...META, epoch: '10' } });
  });

  test('is not begun as ready where the data is lost: that would hide the loss', async () => {
    await using t = await setupShard();
    const runId = await readRunId(t.shard.redis);
    await t.loseData();
    await expect(setEpoch(t.shard, epochOf(runId, 'ready', 8))).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual({});
    expect(await setEpoch(t.shard, epochOf(runId, 'rebuilding', 8))).toBe(true);
  });

  test.each(['rebuilding', 'ready'])('is not begun as %s by who looked at another server', async (state) => {
    await using t = await setupShard();
    await expect(setEpoch(t.shard, epochOf('another', state, 8))).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });
});

interface Held {
  id: string;
  token: string;
}

const CLAIM = { worker: 'w', limit: 1, leaseMs: 1, lowFirst: 0, queues: '*', types: 'echo' };

/** Leaves it as a replica finds it that has taken over. */
const inherit = (shard: Shard) => shard.redis.hset(metaKey(shard.tag), 'runId', 'another');

describe('a shard that was opened in another server', () => {
  const calls: [string, (shard: Shard) => Promise<unknown>][] = [
    ['enqueue', (shard) => enqueue(shard, { epoch: 7 }, [])],
    ['claim', (shard) => claim(shard, CLAIM)],
    ['cancel', (shard) => cancel(shard, { deadlineMs: 1 }, [])],
    ['pause', (shard) => pause(shard, {}, [])],
    ['promote', (shard) => promote(shard, { limit: 1 })],
    ['reap', (shard) => reap(shard, { limit: 1 })],
    ['restore', (shard) => restore(shard, { epoch: 7 }, [])],
    [
      'purge',
      (shard) =>
        purge(shard, { operation: 'o', before: 'z', reason: '{}', limit: 1, queue: 'q', line: '', cursor: '0' }),
    ],
  ];

  test.each(calls)('is left alone by %s: it may lack the last writes', async (_name, call) => {
    await using t = await setupShard();
    await inherit(t.shard);
    const before = await dumpShard(t.shard);
    await expect(call(t.shard)).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual(before);
  });

  test('takes what workers report of attempts, which had ended whatever it lacks', async () => {
    await using t = await setupShard();
    for (const id of ['a', 'b', 'c', 'd']) await t.add(id);
    const claims = await t.claim();
    await t.clearEvents();
    await inherit(t.shard);
    const [a, b, c, d] = claims.map(({ id, token }) => ({ id, token })) as [Held, Held, Held, Held];
    expect(
      await complete(t.shard, { worker: 'w1' }, [
        { ...a, result: '1' },
        { ...a, token: '7.9', result: '1' },
      ]),
    ).toEqual([a.id]);
    expect(await fail(t.shard, { worker: 'w1' }, [{ ...b, error: '{}', retry: 0, delayMs: '' }])).toEqual([]);
    expect(await release(t.shard, { worker: 'w1' }, [c])).toEqual([]);
    expect(await extendLeases(t.shard, { leaseMs: 1_000 }, [a, d])).toEqual({ lost: [a.id], stopping: [] });
    expect(await reportProgress(t.shard, {}, [{ ...d, percent: 1, detail: '' }])).toEqual([]);
    expect(await keepLogs(t.shard, {}, [{ ...d, number: 1, record: '{}' }])).toEqual([]);
    const events = (await dumpShard(t.shard)).events as { status: string }[][];
    expect(events.flat().map(({ status }) => status)).toEqual(['COMPLETED', 'FAILED', 'QUEUED']);
  });

  test('is marked by whoever wants to lead, so that a server that takes over again knows', async () => {
    await using t = await setupShard();
    await inherit(t.shard);
    const { meta: _, ...rest } = await dumpShard(t.shard);
    const marked = { ...rest, meta: { ...META, runId: '' }, leader: 'a' };
    expect(await lead(t.shard, { holder: 'a', leaseMs: 60_000 })).toBe('from-now-on');
    expect(await dumpShard(t.shard)).toEqual(marked);
    await inherit(t.shard);
    expect(await lead(t.shard, { holder: 'b', leaseMs: 60_000 })).toBe('no');
    expect(await dumpShard(t.shard)).toEqual(marked);
    await expect(claim(t.shard, CLAIM)).rejects.toThrow(BrokerNotReadyError);
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
