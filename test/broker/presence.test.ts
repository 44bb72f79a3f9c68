import { describe, expect, test } from 'vitest';
import { goodbye, heartbeat, lead, resign } from '../../src/broker/calls.ts';
import { META, setupShard } from '../support/shard-setup.ts';
import { dumpShard, inAbout } from '../support/shard-state.ts';

const types = [
  { type: 'echo', payloadSchema: 'null', defaults: '{}' },
  { type: 'mail', payloadSchema: '{"type":"object"}', defaults: '{"timeoutMs":5000}' },
];

describe('a heartbeat', () => {
  test('says that a worker lives and what it can run', async () => {
    await using t = await setupShard();
    await heartbeat(t.shard, { worker: 'w1', description: '{"name":"α"}', ttlMs: 90_000 }, types);
    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'worker-expiry': { w1: inAbout(90_000) },
      workers: { w1: expect.stringMatching(/^\d{13}\t\{"name":"α"\}$/) },
      types: { echo: 'null', mail: '{"type":"object"}' },
      'type-defaults': { echo: '{}', mail: '{"timeoutMs":5000}' },
    });
  });

  test('forgets workers that were silent too long, but not what they could run', async () => {
    await using t = await setupShard();
    await heartbeat(t.shard, { worker: 'silent', description: '{}', ttlMs: 90_000 }, types);
    await t.shard.lane.redis.zadd(`${t.shard.tag}:worker-expiry`, 1, 'silent');
    await heartbeat(t.shard, { worker: 'w1', description: '{}', ttlMs: 90_000 });
    expect(await dumpShard(t.shard)).toEqual({
      meta: META,
      'worker-expiry': { w1: inAbout(90_000) },
      workers: { w1: expect.stringMatching(/\{\}$/) },
      types: { echo: 'null', mail: '{"type":"object"}' },
      'type-defaults': { echo: '{}', mail: '{"timeoutMs":5000}' },
    });
  });

  test('works in a shard that waits to be rebuilt', async () => {
    await using t = await setupShard();
    await t.loseData();
    await heartbeat(t.shard, { worker: 'w1', description: '{}', ttlMs: 90_000 });
    expect(await dumpShard(t.shard)).toMatchObject({ workers: {} });
  });

  test('ends with a goodbye, which may be repeated', async () => {
    await using t = await setupShard();
    await heartbeat(t.shard, { worker: 'w1', description: '{}', ttlMs: 90_000 });
    await heartbeat(t.shard, { worker: 'w2', description: '{}', ttlMs: 90_000 });
    for (let i = 0; i < 2; i++) await goodbye(t.shard, { worker: 'w1' });
    expect(Object.keys((await dumpShard(t.shard)).workers ?? {})).toEqual(['w2']);
    await goodbye(t.shard, { worker: 'w2' });
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
  });
});

describe('the leadership', () => {
  test('is taken by one, kept by renewing it, and has an end', async () => {
    await using t = await setupShard();
    expect(await lead(t.shard, { holder: 'a', leaseMs: 60_000 })).toBe('from-now-on');
    expect(await lead(t.shard, { holder: 'b', leaseMs: 60_000 })).toBe('no');
    expect(await lead(t.shard, { holder: 'a', leaseMs: 90_000 })).toBe('still');
    expect(await dumpShard(t.shard)).toEqual({ meta: META, leader: 'a' });
    expect(await t.shard.lane.redis.pttl(`${t.shard.tag}:leader`)).toBeGreaterThan(60_000);
  });

  test('is free again when its holder resigns, and nobody else can give it up', async () => {
    await using t = await setupShard();
    await lead(t.shard, { holder: 'a', leaseMs: 60_000 });
    await resign(t.shard, { holder: 'b' });
    expect(await dumpShard(t.shard)).toEqual({ meta: META, leader: 'a' });
    await resign(t.shard, { holder: 'a' });
    expect(await dumpShard(t.shard)).toEqual({ meta: META });
    expect(await lead(t.shard, { holder: 'b', leaseMs: 60_000 })).toBe('from-now-on');
  });

  test('goes to one of many who ask at once', async () => {
    await using t = await setupShard();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => lead(t.shard, { holder: `m${i}`, leaseMs: 60_000 })),
    );
    expect(answers.filter((answer) => answer === 'from-now-on')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'no')).toHaveLength(19);
  });
});
