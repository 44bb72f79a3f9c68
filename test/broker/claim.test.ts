import { describe, expect, test } from 'vitest';
import { enqueue } from '../../src/broker/calls.ts';
import { BrokerNotReadyError } from '../../src/broker/define-function.ts';
import { META, setupShard } from '../support/shard-setup.ts';
import { dumpShard, event, headOf, inAbout, TEST_OWNER } from '../support/shard-state.ts';

describe('claiming', () => {
  test('gives a task with a token, a lease and its head, and takes it out of its line', async () => {
    await using t = await setupShard();
    await t.add('a', { timeoutMs: 500, payload: '{"n":1}' });

    const claims = await t.claim({ worker: 'w1', leaseMs: 20_000 });

    expect(claims).toEqual([
      {
        id: 'a',
        token: '7.2',
        attempt: 1,
        maxAttempts: 3,
        timeoutMs: 500,
        ownerId: TEST_OWNER,
        queue: 'default',
        type: 'echo',
        payload: '{"n":1}',
        parents: '',
      },
    ]);
    const head = headOf({ timeoutMs: 500 });
    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'task:a': `${head}\n{"n":1}`,
      'run:a': `2\t1\t7.2\tw1\t${head}`,
      leases: { a: inAbout(20_000) },
      counts: { 'default|PROCESSING': '1' },
      events: [[event('a', 2, 'PROCESSING', { attempt: 1, workerId: 'w1' })]],
      'wake:*|echo': ['1'],
    });
  });

  test('gives what became of the tasks that it waited for beside the payload', async () => {
    await using t = await setupShard();
    const parents = '{"a":{"taskId":"t1","status":"COMPLETED","result":[1]}}';
    await t.add('b', { payload: `{"n":1}\n${parents}` });

    expect(await t.claim()).toMatchObject([{ id: 'b', payload: '{"n":1}', parents }]);
  });

  test('changes nothing where nothing waits', async () => {
    await using t = await setupShard();
    expect(await t.claim()).toEqual([]);
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });

  test('gives each task once', async () => {
    await using t = await setupShard();
    const ids = Array.from({ length: 1_000 }, (_, i) => `t${i}`);
    await enqueue(
      t.shard,
      { epoch: 7 },
      ids.map((id) => ({ id, seq: 1, runAt: '', head: headOf(), payload: '{}' })),
    );

    const given = await Promise.all(Array.from({ length: 20 }, (_, i) => t.claim({ worker: `w${i}`, limit: 70 })));

    expect(
      given
        .flat()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(ids.toSorted());
    expect(Math.max(...given.map((claims) => claims.length))).toBe(70);
    expect((await dumpShard(t.shard)).events).toHaveLength(15);
  });

  test('gives the oldest of a line first', async () => {
    await using t = await setupShard();
    for (const id of ['a', 'b', 'c']) await t.add(id);
    expect((await t.claim({ limit: 2 })).map(({ id }) => id)).toEqual(['a', 'b']);
    expect((await t.claim({ limit: 2 })).map(({ id }) => id)).toEqual(['c']);
  });

  test('gives higher priorities first, and lower ones when asked to', async () => {
    await using t = await setupShard();
    for (const priority of ['LOW', 'NORMAL', 'HIGH']) await t.add(priority, { priority });
    expect((await t.claim({ limit: 1 })).map(({ id }) => id)).toEqual(['HIGH']);
    expect((await t.claim({ limit: 1, lowFirst: 1 })).map(({ id }) => id)).toEqual(['LOW']);
    await t.add('HIGH2', { priority: 'HIGH' });
    expect((await t.claim()).map(({ id }) => id)).toEqual(['HIGH2', 'NORMAL']);
  });

  test('takes turns among the lines of a priority', async () => {
    await using t = await setupShard();
    const queues = ['one', 'two', 'three'];
    for (const queue of queues) for (let i = 0; i < 100; i++) await t.add(`${queue}${i}`, { queue });
    const firsts = new Set<string>();
    for (let i = 0; i < 60; i++) for (const { queue } of await t.claim({ limit: 1 })) firsts.add(queue);
    expect(firsts).toEqual(new Set(queues));
  });

  test('gives only tasks of the queues and types that the worker serves', async () => {
    await using t = await setupShard();
    for (const queue of ['one', 'two'])
      for (const type of ['echo', 'other']) await t.add(`${queue}.${type}`, { queue, type });

    expect((await t.claim({ queues: 'two', types: 'echo' })).map(({ id }) => id)).toEqual(['two.echo']);
    expect((await t.claim({ queues: 'three,on', types: 'echo,other' })).map(({ id }) => id)).toEqual([]);
    expect((await t.claim({ queues: '*', types: 'none' })).map(({ id }) => id)).toEqual([]);
    expect((await t.claim({ queues: 'one,two', types: 'other,none' })).map(({ id }) => id).sort()).toEqual([
      'one.other',
      'two.other',
    ]);
    expect(await dumpShard(t.shard)).toMatchObject({
      lines: ['NORMAL|one|echo'],
      'line:NORMAL|one|echo': ['one.echo'],
    });
  });

  test('serves types and queues whose names hold all allowed characters', async () => {
    await using t = await setupShard();
    await t.add('a', { queue: 'a.b_c-9', type: 'Mail.send:now_1-x' });
    const claims = await t.claim({ queues: 'a.b_c-9', types: 'x,Mail.send:now_1-x' });
    expect(claims).toMatchObject([{ id: 'a', queue: 'a.b_c-9', type: 'Mail.send:now_1-x' }]);
  });

  test('wakes the next worker while something is left, with one token at most', async () => {
    await using t = await setupShard();
    for (const id of ['a', 'b', 'c']) await t.add(id);
    const tokens = async () => {
      const state = await dumpShard(t.shard);
      return [state['wake:default|echo'], state['wake:*|echo']];
    };
    const takeTokens = () => t.shard.lane.redis.del(`${t.shard.tag}:wake:default|echo`, `${t.shard.tag}:wake:*|echo`);
    expect(await tokens()).toEqual([['1'], ['1']]);
    await takeTokens();
    await t.claim({ limit: 1 });
    expect(await tokens()).toEqual([['1'], ['1']]);
    await t.claim({ limit: 1 });
    expect(await tokens()).toEqual([['1'], ['1']]);
    await takeTokens();
    await t.claim({ limit: 1 });
    expect(await tokens()).toEqual([undefined, undefined]);
  });

  test('leaves no token of a queue behind when its lines are empty, but keeps it while another priority waits', async () => {
    await using t = await setupShard();
    await t.add('normal');
    await t.add('low', { priority: 'LOW' });
    await t.claim({ limit: 1 });
    expect(await dumpShard(t.shard)).toHaveProperty('wake:default|echo', ['1']);
    await t.claim({ limit: 1 });
    expect(await dumpShard(t.shard)).not.toHaveProperty('wake:default|echo');
  });

  test('gives at most 4 MiB of payloads and one payload more in one reply, and keeps the order of the rest', async () => {
    await using t = await setupShard();
    const payload = `"${'x'.repeat(1_000_000)}"`;
    for (let i = 0; i < 12; i++) await t.add(`t${i}`, { payload });
    const given: string[][] = [];
    for (;;) {
      const claims = await t.claim();
      if (claims.length === 0) break;
      given.push(claims.map(({ id }) => id));
    }
    expect(given.map(({ length }) => length)).toEqual([5, 5, 2]);
    expect(given.flat()).toEqual(Array.from({ length: 12 }, (_, i) => `t${i}`));
  });

  test('passes over a task that is gone', async () => {
    await using t = await setupShard();
    for (const id of ['a', 'b']) await t.add(id);
    await t.shard.lane.redis.del(`${t.shard.tag}:task:a`);
    expect((await t.claim()).map(({ id }) => id)).toEqual(['b']);
  });

  test('counts attempts and transitions on', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.shard.lane.redis.set(`${t.shard.tag}:run:a`, `9\t2\t\t\t${headOf()}`);
    expect(await t.claim()).toMatchObject([{ attempt: 3, token: '7.10' }]);
  });

  test("keeps a worker's name in one field", async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.claim({ worker: 'w\t1\n\0x' });
    expect(await dumpShard(t.shard)).toMatchObject({
      'run:a': `2\t1\t7.2\tw 1  x\t${headOf()}`,
      events: [[event('a', 2, 'PROCESSING', { attempt: 1, workerId: 'w 1  x' })]],
    });
  });

  test('does nothing in a shard that lost its data', async () => {
    await using t = await setupShard();
    await t.add('a');
    await t.loseData();
    const before = await dumpShard(t.shard);
    await expect(t.claim()).rejects.toThrow(BrokerNotReadyError);
    expect(await dumpShard(t.shard)).toEqual(before);
  });
});
