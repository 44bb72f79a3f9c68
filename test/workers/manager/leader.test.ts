import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Broker, Shard } from '../../../src/broker/lanes.ts';
import { Leader, type LeaderOptions } from '../../../workers/manager/leader.ts';
import { silent } from '../../support/factory.ts';
import { startPrivateRedis } from '../../support/private-servers.ts';
import { openBroker, setupShard, type TestShard } from '../../support/shard-setup.ts';
import { waitFor } from '../../support/wait-for.ts';

const LEASE_MS = 300;

let t: TestShard;
let leaders: Leader[];

beforeEach(async () => {
  t = await setupShard();
  leaders = [];
});
afterEach(async () => {
  await Promise.all(leaders.map((leader) => leader.stop()));
  await t[Symbol.asyncDispose]();
});

/** Works until its term ends, and counts its terms. */
const open = (holder: string, shard: Shard = t.shard, more: Partial<LeaderOptions> = {}) => {
  const seen = { terms: 0, isWorking: false, reasons: [] as string[] };
  const work = (signal: AbortSignal): Promise<void> => {
    seen.terms++;
    seen.isWorking = true;
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        seen.isWorking = false;
        seen.reasons.push((signal.reason as Error).message);
        resolve();
      });
    });
  };
  const leader = new Leader({ shard, holder, leaseMs: LEASE_MS, mayLead: () => true, work, logger: silent, ...more });
  leaders.push(leader);
  leader.start();
  return { leader, seen };
};

const holderOf = (shard: Shard) => shard.lane.redis.get(`${shard.tag}:leader`);

describe('a leader', () => {
  test('is one of two, and hands over at once when it stops', async () => {
    const one = open('one');
    await waitFor(() => one.seen.isWorking);
    const two = open('two');
    // Long enough for both to have renewed or asked several times.
    const remaining = async () => (await t.shard.lane.redis.pttl(`${t.shard.tag}:leader`)) > LEASE_MS * 0.8;
    for (let i = 0; i < 3; i++) {
      await waitFor(async () => !(await remaining()));
      await waitFor(remaining, { what: 'the lease was renewed' });
    }
    expect([one.seen.isWorking, two.seen.terms]).toEqual([true, 0]);

    await one.leader.stop();
    expect(one.seen).toMatchObject({ isWorking: false, reasons: ['shutting down'] });
    await waitFor(() => two.seen.isWorking);
    expect(await holderOf(t.shard)).toBe('two');
    expect(one.leader.isLeading).toBe(false);
  });

  test('that no longer renews its lease is followed by another, and stops by itself', async () => {
    const broker = sameKeys(t.shard);
    const [shard] = broker.low.shards as [Shard];
    const cut = open('cut', shard);
    await waitFor(() => cut.seen.isWorking);
    const next = open('next');
    broker.low.redis.disconnect();
    await waitFor(() => next.seen.isWorking);
    await waitFor(() => !cut.seen.isWorking);
    expect(cut.seen.reasons).toEqual(['the lease ran out']);
    expect(await holderOf(t.shard)).toBe('next');
    broker.close();
  });

  test('notices that another holds its lease', async () => {
    const { seen } = open('paused');
    await waitFor(() => seen.isWorking);
    await t.shard.lane.redis.set(`${t.shard.tag}:leader`, 'other', 'PX', 60_000);
    await waitFor(() => !seen.isWorking);
    expect(seen.reasons).toEqual(['the lease was lost']);
    // It did not resign for the other.
    expect(await holderOf(t.shard)).toBe('other');
  });

  test('begins a new term when its lease was gone for a moment', async () => {
    const { seen } = open('one');
    await waitFor(() => seen.isWorking);
    await t.shard.lane.redis.del(`${t.shard.tag}:leader`);
    await waitFor(() => seen.terms === 2);
    expect(seen.reasons).toEqual(['the lease was lost']);
  });

  test('begins a new term when the shard lost its data', async () => {
    const { seen } = open('one');
    await waitFor(() => seen.isWorking);
    // It must have seen the data before it can miss it: two renewals.
    const ttl = () => t.shard.lane.redis.pttl(`${t.shard.tag}:leader`);
    for (let i = 0; i < 2; i++) {
      await waitFor(async () => (await ttl()) < LEASE_MS * 0.75);
      await waitFor(async () => (await ttl()) > LEASE_MS * 0.8);
    }
    await t.loseData();
    await waitFor(() => seen.terms === 2);
    expect(seen.reasons).toEqual(['the shard lost its data']);
  });

  test('campaigns again after its work failed', async () => {
    let failures = 0;
    const work = async (signal: AbortSignal) => {
      if (failures++ < 2) throw new Error('PostgreSQL is away');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const { leader } = open('one', t.shard, { work });
    await waitFor(() => failures === 3 && leader.isLeading);
  });

  test('leads nothing while it may not, and steps down when told', async () => {
    let mayLead = false;
    const { leader, seen } = open('one', t.shard, { mayLead: () => mayLead });
    const other = open('other');
    await waitFor(() => other.seen.isWorking);
    mayLead = true;
    await other.leader.stop();
    await waitFor(() => seen.isWorking);
    mayLead = false;
    leader.stepDown('others lead fewer');
    await waitFor(() => !leader.isLeading);
    expect(seen.reasons).toEqual(['others lead fewer']);
    await waitFor(async () => (await holderOf(t.shard)) === null);
  });

  test('brings the library into a new Redis', async () => {
    await using redis = await startPrivateRedis();
    const broker = openBroker(redis.port);
    await broker.ready();
    const { leader, seen } = open('one', broker.low.shards[0] as Shard);
    await waitFor(() => seen.isWorking);
    await leader.stop();
    broker.close();
  });
});

/** Further connections to the same shard, as another process would have. */
const sameKeys = (shard: Shard): Broker => {
  const prefix = /^\{(.*):low:0\}$/.exec(shard.tag)?.[1] ?? '';
  return openBroker(shard.lane.redis.options.port ?? 0, prefix);
};
