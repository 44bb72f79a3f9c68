import { describe, expect, test } from 'vitest';
import { query, setup, spawnNode, startPrivatePostgres, startPrivateRedis, waitFor } from './setup.ts';

describe('the setup of tests', () => {
  test('gives each its own migrated database and its own keys, and removes them', async () => {
    const one = await setup();
    const other = await setup();
    await using _ = other;
    await one.database.$executeRaw`INSERT INTO shards (id) VALUES ('high:0')`;
    await one.broker.high.redis.set(`${one.config.REDIS_KEY_PREFIX}:high:x`, '1');
    expect(await one.database.shard.count()).toBe(1);
    expect(await other.database.shard.count()).toBe(0);

    await one.close();

    const names = await query<{ datname: string }>(other.databaseUrl, 'SELECT datname FROM pg_database');
    const all = names.map(({ datname }) => datname);
    expect(all).toContain(new URL(other.databaseUrl).pathname.slice(1));
    expect(all).not.toContain(new URL(one.databaseUrl).pathname.slice(1));
    expect(await other.broker.high.redis.keys(`*${one.config.REDIS_KEY_PREFIX}*`)).toEqual([]);
  });

  test('works with servers of the test itself, which find their data after a crash', async () => {
    await using postgres = await startPrivatePostgres();
    await using redis = await startPrivateRedis();
    await using app = await setup({ postgres, redis });
    await app.database.$executeRaw`INSERT INTO shards (id) VALUES ('high:0')`;
    await app.broker.high.redis.set('kept', 'yes');

    await Promise.all([postgres.kill(), redis.stop()]);
    await Promise.all([postgres.start(), redis.start()]);

    expect(await waitFor(() => app.database.shard.count(), { what: 'the database answers' })).toBe(1);
    expect(await waitFor(() => app.broker.high.redis.get('kept'), { what: 'Redis answers' })).toBe('yes');
  });
});

describe('a process of a test', () => {
  test('gives its output, wherever it is written, and its end', async () => {
    await using child = spawnNode(['-e', `console.log('one'); console.error('two'); process.exitCode = 3`], {});
    expect((await child.waitForOutput(/t(w)o/))[1]).toBe('w');
    expect(await child.exit).toEqual({ code: 3, signal: null });
    expect(child.output()).toContain('one');
  });

  test('fails with its output when it ends before it wrote what was waited for', async () => {
    await using child = spawnNode(['-e', `console.log('something else')`], {});
    await expect(child.waitForOutput(/never/)).rejects.toThrow(/has ended[\s\S]*something else/);
  });

  test('can be killed', async () => {
    await using child = spawnNode(['-e', `setInterval(() => {}, 1e6); console.log('up')`], {});
    await child.waitForOutput(/up/);
    expect(await child.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('waiting for a condition', () => {
  test('returns what it gave, after it has failed before', async () => {
    let calls = 0;
    const value = await waitFor(() => {
      calls++;
      if (calls < 3) throw new Error('not yet');
      return calls;
    });
    expect(value).toBe(3);
  });

  test('says what it waited for, and what it saw last', async () => {
    await expect(waitFor(() => false, { timeoutMs: 20, what: 'pigs fly' })).rejects.toThrow(
      'until pigs fly (last seen: false)',
    );
  });
});
