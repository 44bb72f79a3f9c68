import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LimiterStore } from '../../src/accounts/limiter.ts';
import type { Principal } from '../../src/accounts/principal.ts';
import { RateLimits } from '../../src/accounts/rate-limits.ts';
import { silent } from '../support/factory.ts';
import { setup, startPrivateRedis, type TestApp } from '../support/setup.ts';

let app: TestApp;

beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());

const open = ({ broker }: TestApp = app, options = { perAddress: 3, perUser: 5, socketReadsPerUser: 7 }) =>
  new RateLimits(new LimiterStore(broker.high.redis, broker.prefix, silent), options);

const login = (userId: string, more: Partial<Principal> = {}): Principal => ({
  userId,
  scopes: 'all',
  isAdmin: false,
  expiresAtMs: Number.POSITIVE_INFINITY,
  ...more,
});

/** How many of so many requests were within the limit. */
const within = async (requests: number, count: () => ReturnType<RateLimits['count']>): Promise<number> => {
  const counts = await Promise.all(Array.from({ length: requests }, count));
  return counts.filter((each) => !each?.isExceeded).length;
};

describe('requests', () => {
  test('without credentials are counted by address, on all nodes together', async () => {
    const nodes = [open(), open()] as const;
    expect(await within(2, () => nodes[0].count(undefined, '192.0.2.1'))).toBe(2);
    expect(await within(10, () => nodes[1].count(undefined, '192.0.2.1'))).toBe(1);
    expect(await within(10, () => nodes[0].count(undefined, '192.0.2.2'))).toBe(3);
  });

  test('without credentials are counted by the /64 of an IPv6 address', async () => {
    const limits = open();
    expect(await within(2, () => limits.count(undefined, '2001:db8::1'))).toBe(2);
    expect(await within(10, () => limits.count(undefined, '2001:db8::ffff:2'))).toBe(1);
  });

  test('with credentials are counted by user, wherever they come from', async () => {
    const limits = open();
    expect(await within(4, () => limits.count(login('a'), '192.0.2.3'))).toBe(4);
    expect(await within(10, () => limits.count(login('a', { apiKeyId: 'k' }), '192.0.2.4'))).toBe(1);
    expect(await within(10, () => limits.count(login('b'), '192.0.2.3'))).toBe(5);
  });

  test('of an API key with a limit of its own are counted by key', async () => {
    const limits = open();
    const own = login('c', { apiKeyId: 'own', rateLimitPerHour: 7 });
    expect(await within(10, () => limits.count(own, '192.0.2.5'))).toBe(7);
    expect(await within(10, () => limits.count(login('c'), '192.0.2.5'))).toBe(5);
  });

  test('that only read over a socket are counted by themselves, for logins', async () => {
    const limits = open();
    const address = '192.0.2.9';
    expect(await within(10, () => limits.count(login('e'), address, 'socket read'))).toBe(7);
    expect(await within(10, () => limits.count(login('e'), address))).toBe(5);
    const key = login('f', { scopes: new Set(['TASKS_READ']), apiKeyId: 'k' });
    expect(await within(3, () => limits.count(key, address, 'socket read'))).toBe(3);
    expect(await within(10, () => limits.count(key, address))).toBe(2);
    expect(await within(10, () => limits.count(undefined, address, 'socket read'))).toBe(3);
  });

  test('with a watch token are counted by address', async () => {
    const limits = open();
    const watcher = login('d', { watched: { ownerId: 'd', taskIds: [], tags: ['x'] } });
    expect(await within(10, () => limits.count(watcher, '192.0.2.6'))).toBe(3);
    expect(await within(10, () => limits.count(login('d'), '192.0.2.6'))).toBe(5);
  });

  test('tell what is left, and when the next hour begins', async () => {
    const limits = open();
    const first = await limits.count(undefined, '192.0.2.7');
    expect(first).toEqual({ limit: 3, remaining: 2, isExceeded: false, resetSeconds: expect.any(Number) });
    expect(first?.resetSeconds).toBeGreaterThan(3_590);
    await within(5, () => limits.count(undefined, '192.0.2.7'));
    const last = await limits.count(undefined, '192.0.2.7');
    expect(last).toMatchObject({ remaining: 0, isExceeded: true });
    expect(last?.resetSeconds).toBeGreaterThan(3_590);
  });

  test('have no limit where it is 0', async () => {
    const limits = open(app, { perAddress: 0, perUser: 0, socketReadsPerUser: 0 });
    expect(await limits.count(undefined, '192.0.2.8')).toBeUndefined();
    expect(await limits.count(login('e'), '192.0.2.8')).toBeUndefined();
  });

  test('are counted in memory while Redis is away', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setup({ redis });
    const limits = open(app);
    await redis.stop();
    expect(await within(10, () => limits.count(undefined, '192.0.2.9'))).toBe(3);
    expect(await within(10, () => limits.count(login('f'), '192.0.2.9'))).toBe(5);
  });

  test('that were too many do not ask Redis any more', async () => {
    const limits = open();
    await within(4, () => limits.count(undefined, '192.0.2.10'));
    const [key] = await app.broker.high.redis.keys('*:limit:*:hour:address:192.0.2.10');
    await app.broker.high.redis.set(key as string, '0', 'KEEPTTL');
    expect(await limits.count(undefined, '192.0.2.10')).toMatchObject({ isExceeded: true });
    expect(await app.broker.high.redis.get(key as string)).toBe('0');
  });

  test('that come together share two round trips, and each has its own place', async () => {
    const limits = open(app, { perAddress: 50, perUser: 0, socketReadsPerUser: 7 });
    await limits.count(undefined, '192.0.2.11');
    const sent = vi.spyOn(app.broker.high.redis, 'sendCommand');
    const counts = await Promise.all(Array.from({ length: 60 }, () => limits.count(undefined, '192.0.2.11')));
    expect(sent).toHaveBeenCalledTimes(2);
    sent.mockRestore();
    expect(counts.map((each) => each?.remaining)).toEqual(Array.from({ length: 60 }, (_, i) => Math.max(0, 48 - i)));
    expect(counts.map((each) => each?.isExceeded)).toEqual(Array.from({ length: 60 }, (_, i) => i >= 49));
  });
});
