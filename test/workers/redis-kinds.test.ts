import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { cpp, python, type WorkerKind } from '../conformance/workers.ts';
import { type Certificates, makeCertificates, tlsEnv, tlsSettings } from '../support/certificates.ts';
import { clusterEnv } from '../support/own-redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startSentinelRedis } from '../support/redis-sentinel.ts';
import { startPrivateRedis, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let certificates: Certificates & { folder: string };
beforeAll(async () => {
  certificates = await makeCertificates();
});
afterAll(() => rm(certificates.folder, { recursive: true }));

const startWith = async (kind: WorkerKind, env: Readonly<Record<string, string>>): Promise<System> => {
  const system = await startSystem({ redis: { env } });
  await system.start('manager');
  const worker = kind.spawn({ ...system.app.env, HEARTBEAT_INTERVAL_SECONDS: '1', TASKFLOW_CONFORMANCE: '1' });
  await worker.waitForOutput(/"msg":"started"/);
  return system;
};

const submit = async (system: System, count: number): Promise<void> => {
  await system.submit(count, 'echo', 'x');
  await system.submit(count, 'sleep', { ms: 50 }, { priority: 'HIGH' });
};

/** Tasks end before, while and after a replica takes over. */
const survives = async (system: System, failOver: () => Promise<unknown>): Promise<void> => {
  await submit(system, 50);
  expect(await system.settle()).toEqual([]);
  const { epoch } = await system.app.database.shard.findUniqueOrThrow({ where: { id: 'low:0' } });
  await failOver();
  await submit(system, 50);
  await waitFor(
    async () =>
      (await system.app.database.shard.findUniqueOrThrow({ where: { id: 'low:0' } })).epoch >= BigInt(epoch) + 2n,
    { what: 'the shard is rebuilt in the replica', timeoutMs: 40_000 },
  );
  await submit(system, 50);
  expect(await system.settle(40_000)).toEqual([]);
  expect(await system.countByStatus()).toEqual({ COMPLETED: 300 });
  const { workers } = await system.graphql<{ workers: unknown[] }>('{ workers { id } }');
  expect(workers).toHaveLength(1);
};

describe.each([python, cpp])('the worker in $language', { timeout: 120_000 }, (kind) => {
  test('works with a server that it is told by a URL, with TLS and a password', async () => {
    const port = await freePort();
    const password = 'p@ss:w/rd';
    const settings = { port: '0', 'tls-port': String(port), ...tlsSettings(certificates), requirepass: password };
    await using _ = await startPrivateRedis(settings);
    const url = `rediss://:${encodeURIComponent(password)}@127.0.0.1:${port}`;
    const env = { REDIS_URL_HIGH: url, REDIS_URL_LOW: url, ...tlsEnv(certificates) };
    await using system = await startWith(kind, env);
    await submit(system, 50);
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 100 });
  });

  test('follows Sentinels when the primary is killed', async () => {
    await using redis = await startSentinelRedis(certificates);
    await using system = await startWith(kind, redis.env);
    const [primary] = await redis.nodes();
    await survives(system, () => primary.kill());
  });

  test.each(['kill', 'pause'] as const)('follows a cluster when the primary of a shard hears %s', async (failure) => {
    await using cluster = await startRedisCluster({ password: 'secret' });
    await using system = await startWith(kind, clusterEnv(cluster.url));
    const [primary] = await cluster.nodesOf(system.app.broker.low.shards[0]?.tag as string);
    await survives(system, async () => primary[failure]());
  });
});
