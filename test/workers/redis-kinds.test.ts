import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { cpp, python, type WorkerKind } from '../conformance/workers.ts';
import { type Certificates, makeCertificates, tlsEnv, tlsSettings } from '../support/certificates.ts';
import { buildCpp, type CppBuild, spawnCpp } from '../support/cpp.ts';
import { clusterEnv } from '../support/own-redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startSentinelRedis } from '../support/redis-sentinel.ts';
import { startPrivateRedis, type TestProcess, waitFor } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let certificates: Certificates & { folder: string };
beforeAll(async () => {
  certificates = await makeCertificates();
});
afterAll(() => rm(certificates.folder, { recursive: true }));

/** A whole system on a Redis, with a worker of one language. */
interface Setting extends AsyncDisposable {
  system: System;
  worker: TestProcess;
}

const startWith = async (kind: WorkerKind, env: Readonly<Record<string, string>>): Promise<Setting> => {
  const system = await startSystem({ redis: { env } });
  await system.start('manager');
  const worker = kind.spawn({ ...system.app.env, HEARTBEAT_INTERVAL_SECONDS: '1', TASKFLOW_CONFORMANCE: '1' });
  await worker.waitForOutput(/"msg":"started"/);
  return { system, worker, [Symbol.asyncDispose]: () => system[Symbol.asyncDispose]() };
};

/** It shuts down in order; what it was compiled with has found no fault until its end. */
const expectEnd = async (worker: TestProcess): Promise<void> => {
  const exit = await worker.kill();
  // First, since it says why.
  expect(worker.output()).not.toMatch(/Sanitizer|runtime error:/);
  expect(exit).toEqual({ code: 0, signal: null });
};

const submit = async (system: System, count: number): Promise<void> => {
  await system.submit(count, 'echo', 'x');
  await system.submit(count, 'sleep', { ms: 50 }, { priority: 'HIGH' });
};

/** The test's own connections find the primary by themselves, too, and must have before they tidy up. */
const everybodyFollowed = (system: System): Promise<unknown> =>
  waitFor(
    () => Promise.all(system.app.broker.shards.map(({ redis, tag }) => redis.del(`${tag}:nothing`))).catch(() => false),
    { what: 'all connections are to primaries', timeoutMs: 30_000 },
  );

/** Tasks end before, while and after a replica takes over. */
const survives = async ({ system, worker }: Setting, failOver: () => Promise<unknown>): Promise<void> => {
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
  await expectEnd(worker);
  await everybodyFollowed(system);
};

/** Compiled so that it ends at the first fault of memory, or of threads. */
const sanitized = (build: CppBuild): WorkerKind => ({
  ...cpp,
  build: () => buildCpp(build),
  spawn: (env) => spawnCpp(env, build),
});

describe.each<[string, WorkerKind]>([
  ['Python', python],
  ['C++', cpp],
  ['C++ with AddressSanitizer', sanitized('asan')],
  ['C++ with ThreadSanitizer', sanitized('tsan')],
])('the worker in %s', { timeout: 120_000 }, (_name, kind) => {
  beforeAll(() => kind.build(), 300_000);

  test('works with a server that it is told by a URL, with TLS and a password', async () => {
    const port = await freePort();
    const password = 'p@ss:w/rd';
    const settings = { port: '0', 'tls-port': String(port), ...tlsSettings(certificates), requirepass: password };
    await using _ = await startPrivateRedis(settings);
    const url = `rediss://:${encodeURIComponent(password)}@127.0.0.1:${port}`;
    const env = { REDIS_URL_HIGH: url, REDIS_URL_LOW: url, ...tlsEnv(certificates) };
    await using setting = await startWith(kind, env);
    const { system, worker } = setting;
    await submit(system, 50);
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 100 });
    await expectEnd(worker);
  });

  test('follows Sentinels when the primary is killed', async () => {
    await using redis = await startSentinelRedis(certificates);
    await using setting = await startWith(kind, redis.env);
    const [primary] = await redis.nodes();
    await survives(setting, () => primary.kill());
  });

  test.each(['kill', 'pause'] as const)('follows a cluster when the primary of a shard hears %s', async (failure) => {
    await using cluster = await startRedisCluster({ password: 'secret' });
    await using setting = await startWith(kind, clusterEnv(cluster.url));
    const [primary] = await cluster.nodesOf(setting.system.app.broker.low.shards[0]?.tag as string);
    await survives(setting, async () => primary[failure]());
  });
});
