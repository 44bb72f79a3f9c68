import { describe, expect, test } from 'vitest';
import { complete, fail, reap, release, restore } from '../../src/broker/calls.ts';
import { openEpoch, setupShard, type TestShard } from '../support/shard-setup.ts';
import { dumpShard, event, headOf } from '../support/shard-state.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** As a worker of the release before asks, or one in another language that does not care. */
const claimPlainly = async ({ shard }: TestShard): Promise<unknown[]> =>
  (await shard.lane.redis.fcall('tf1_claim', 1, shard.tag, 'w1', 100, 30_000, 0, '*', 'echo')) as unknown[];

describe('the trace of a task', () => {
  test('reaches who claims it and asks for it, and stands in all its transitions', async () => {
    await using t = await setupShard();
    await t.add('traced', { traceparent });
    await t.add('plain');
    const claims = await t.claim();
    expect(claims.map(({ id, traceparent: trace }) => [id, trace])).toEqual([
      ['traced', traceparent],
      ['plain', undefined],
    ]);
    await complete(
      t.shard,
      { worker: 'w1' },
      claims.map(({ id, token }) => ({ id, token, result: '1' })),
    );
    const { events } = await dumpShard(t.shard);
    expect(events).toEqual([
      [
        event('traced', 2, 'PROCESSING', { attempt: 1, workerId: 'w1', traceparent }),
        event('plain', 2, 'PROCESSING', { attempt: 1, workerId: 'w1' }),
      ],
      [
        event('traced', 3, 'COMPLETED', { attempt: 1, workerId: 'w1', data: '1', traceparent }),
        event('plain', 3, 'COMPLETED', { attempt: 1, workerId: 'w1', data: '1' }),
      ],
    ]);
  });

  test('is told to nobody who does not ask for it', async () => {
    await using t = await setupShard();
    await t.add('traced', { traceparent });
    await t.add('plain');
    const reply = await claimPlainly(t);
    expect(reply).toHaveLength(20);
    expect(reply).not.toContain(traceparent);
  });

  test('adds nothing to a reply without one', async () => {
    await using t = await setupShard();
    await t.add('plain');
    const asked = await t.shard.lane.redis.fcall('tf1_claim', 1, t.shard.tag, 'w', 9, 30_000, 0, '*', 'echo', '1');
    expect(asked).toHaveLength(10);
  });

  test('stays through attempts, with the backoff of the task or without', async () => {
    await using t = await setupShard();
    await t.add('fixed', { traceparent, backoff: 'F:0:0:0' });
    await t.add('default', { traceparent });
    const [fixed, other] = await t.claim();
    await fail(t.shard, { worker: 'w1' }, [
      { id: 'fixed', token: fixed?.token ?? '', error: '{}', retry: '1', delayMs: '' },
    ]);
    await release(t.shard, { worker: 'w1' }, [{ id: 'default', token: other?.token ?? '' }]);
    const [again] = await t.claim();
    expect(again).toMatchObject({ id: 'default', traceparent });
    await t.expire('default');
    expect(await reap(t.shard, { limit: 10 })).toBe(1);
    const { events } = await dumpShard(t.shard);
    expect((events as { traceparent?: string }[][]).flat().every((each) => each.traceparent === traceparent)).toBe(
      true,
    );
  });

  test('comes back when a shard is rebuilt', async () => {
    await using t = await setupShard();
    await openEpoch(t.shard, 8);
    const task = { id: 'a', status: 'QUEUED', seq: 3, attempt: 1, runAt: '', payload: '{}', cancelReason: '' };
    await restore(t.shard, { epoch: '8' }, [{ ...task, head: headOf({ traceparent }) }]);
    expect(await t.claim()).toMatchObject([{ id: 'a', attempt: 2, traceparent }]);
  });
});
