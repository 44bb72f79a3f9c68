import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { LimiterStore } from '../../src/accounts/limiter.ts';
import { Lockout } from '../../src/accounts/lockout.ts';
import { openBroker } from '../../src/broker/open-broker.ts';
import { silent } from '../support/factory.ts';
import { setup, startPrivateRedis, type TestApp, waitFor } from '../support/setup.ts';

const MAX = 10;
let app: TestApp;

beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());

const open = ({ broker }: Pick<TestApp, 'broker'>, seconds = 900) =>
  new Lockout(new LimiterStore(broker.high.redis, broker.prefix, silent), { maxFailedAttempts: MAX, seconds });

let attempts = 0;
/** Nobody else tries this account or comes from this address. */
const somebody = () => ({ account: `account-${++attempts}`, address: `198.51.100.${attempts}` });

const wrong = async (): Promise<boolean> => false;
const right = async (): Promise<boolean> => true;

/** "right", "wrong", or the code and whether it says when to come back. */
const outcome = (attempt: Promise<boolean>) =>
  attempt.then(
    (isRight) => (isRight ? 'right' : 'wrong'),
    ({ code, details }) => `${code} for ${details.retryAfter} s`,
  );

const count = (outcomes: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    Map.groupBy(outcomes, (each) => each)
      .entries()
      .map(([name, { length }]) => [name, length]),
  );

describe('wrong passwords', () => {
  test('lock an account after ten, also for the right one, from everywhere', async () => {
    const lockout = open(app);
    const { account, address } = somebody();
    for (let i = 0; i < MAX; i++)
      expect(await outcome(lockout.attempt({ account, address: `192.0.2.${i}` }, wrong))).toBe('wrong');
    expect(await outcome(lockout.attempt({ account, address }, right))).toBe('RATE_LIMITED for 900 s');
    expect(await outcome(open(app).attempt({ account, address: '203.0.113.1' }, right))).toMatch(/^RATE_LIMITED/);
  });

  test('lock an address after ten, for whatever account, and other addresses not', async () => {
    const lockout = open(app);
    const { account, address } = somebody();
    for (let i = 0; i < MAX; i++) await lockout.attempt({ account: `${account}-${i}`, address }, wrong);
    expect(await outcome(lockout.attempt({ account, address }, right))).toBe('RATE_LIMITED for 900 s');
    expect(await outcome(lockout.attempt({ ...somebody(), account }, right))).toBe('right');
  });

  test('count for the whole /64 of an IPv6 address', async () => {
    const lockout = open(app);
    const { account } = somebody();
    for (let i = 0; i < MAX; i++)
      await lockout.attempt({ account: `${account}-${i}`, address: `2001:db8:0:7::${i}` }, wrong);
    expect(await outcome(lockout.attempt({ account, address: '2001:db8:0:7:ffff::1' }, right))).toMatch(
      /^RATE_LIMITED/,
    );
    expect(await outcome(lockout.attempt({ account, address: '2001:db8:0:8::1' }, right))).toBe('right');
  });

  test('200 at once are looked at ten times, on two nodes together', async () => {
    const other = openBroker(app.config, silent);
    onTestFinished(() => other.close());
    await other.ready();
    const nodes = [open(app), open({ broker: other })];
    const { account } = somebody();
    let looks = 0;
    const look = async (): Promise<boolean> => {
      looks++;
      return false;
    };
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        outcome((nodes[i % 2] as Lockout).attempt({ account, address: `2001:db8:1:${i.toString(16)}::1` }, look)),
      ),
    );
    expect(looks).toBe(MAX);
    expect(outcomes.filter((each) => each === 'wrong')).toHaveLength(MAX);
    expect(outcomes.filter((each) => each.startsWith('RATE_LIMITED'))).toHaveLength(200 - MAX);
  });

  test('are forgotten when their time is over', async () => {
    const lockout = open(app, 1);
    const attempt = somebody();
    for (let i = 0; i < MAX; i++) await lockout.attempt(attempt, wrong);
    expect(await outcome(lockout.attempt(attempt, right))).toBe('RATE_LIMITED for 1 s');
    await waitFor(async () => (await outcome(lockout.attempt(attempt, right))) === 'right', { timeoutMs: 5_000 });
  });
});

describe('a right password', () => {
  test('clears what counts against the account, and not what counts against the address', async () => {
    const lockout = open(app);
    const { account, address } = somebody();
    for (let i = 0; i < MAX - 1; i++) await lockout.attempt({ account, address }, wrong);
    expect(await outcome(lockout.attempt({ account, address }, right))).toBe('right');
    for (let i = 0; i < MAX - 1; i++)
      expect(await outcome(lockout.attempt({ account, address: `192.0.2.${i}` }, wrong))).toBe('wrong');
    expect(await outcome(lockout.attempt({ account: `${account}-2`, address }, wrong))).toBe('wrong');
    expect(await outcome(lockout.attempt({ account: `${account}-2`, address }, right))).toMatch(/^RATE_LIMITED/);
  });

  test('is let in, however many come at once', async () => {
    const lockout = open(app);
    const attempt = somebody();
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(lockout.attempt(attempt, right))));
    expect(count(outcomes)).toEqual({ right: 100 });
  });
});

describe('an attempt that could not be looked at', () => {
  test('counts for nothing', async () => {
    const lockout = open(app);
    const attempt = somebody();
    for (let i = 0; i < 3 * MAX; i++) {
      const failed = lockout.attempt(attempt, () => Promise.reject(new Error('out of memory')));
      await expect(failed).rejects.toThrow('out of memory');
    }
    expect(await outcome(lockout.attempt(attempt, right))).toBe('right');
  });
});

describe('while Redis is away', () => {
  test('wrong passwords are counted in memory, and in Redis once it is back', async () => {
    await using redis = await startPrivateRedis();
    await using app = await setup({ redis });
    const lockout = open(app);
    await redis.stop();
    const attempt = somebody();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(lockout.attempt(attempt, wrong))));
    expect(outcomes.filter((each) => each === 'wrong')).toHaveLength(MAX);
    const other = somebody();
    expect(await outcome(lockout.attempt(other, right))).toBe('right');
    await redis.start();
    await waitFor(() => app.broker.high.redis.status === 'ready');
    await waitFor(async () => {
      await lockout.attempt(somebody(), wrong);
      return (await app.broker.high.redis.keys(`${app.config.REDIS_KEY_PREFIX}:limit:*:account:*`)).length > 0;
    });
  });
});
