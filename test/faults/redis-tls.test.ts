import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Broker } from '../../src/broker/lanes.ts';
import { freePort } from '../../src/local/free-port.ts';
import { isBrokerOutage } from '../../src/outages.ts';
import type { RedisServer } from '../../src/redis-settings.ts';
import { type Certificates, makeCertificates, tlsEnv, tlsSettings } from '../support/certificates.ts';
import { clusterEnv, ofBothLanes } from '../support/own-redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startSentinelRedis } from '../support/redis-sentinel.ts';
import { type PrivateServer, startPrivateRedis } from '../support/setup.ts';
import { startSystem } from '../support/system.ts';

const PASSWORD = 'p@ss:w/rd';

let ours: Certificates & { folder: string };
let others: Certificates & { folder: string };
let redis: PrivateServer;
let port: number;

beforeAll(async () => {
  [ours, others] = await Promise.all([makeCertificates(), makeCertificates()]);
  port = await freePort();
  redis = await startPrivateRedis({
    port: '0',
    'tls-port': String(port),
    ...tlsSettings(ours),
    requirepass: PASSWORD,
  });
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await Promise.all([ours, others].map(({ folder }) => rm(folder, { recursive: true })));
});

/** What becomes of connecting there. Its first error, or "ready". */
const connect = async (more: Partial<RedisServer>): Promise<string> => {
  const server: RedisServer = { addresses: [{ host: '127.0.0.1', port }], password: PASSWORD, ...more };
  const failed = Promise.withResolvers<string>();
  const broker = new Broker(
    { high: server, low: server, prefix: 'tf', shardsPerLane: 1, commandTimeoutMs: 2_000 },
    ({ message }) => failed.resolve(message),
  );
  try {
    const outcome = await Promise.race([failed.promise, broker.ready().then(() => 'ready')]);
    const ping = broker.low.redis.ping();
    if (outcome === 'ready') expect(await ping).toBe('PONG');
    else await expect(ping).rejects.toSatisfy(isBrokerOutage);
    return outcome;
  } finally {
    broker.close();
  }
};

describe('a Redis with TLS that asks for a certificate and a password', () => {
  test('lets in who has both, and trusts who signed its own', async () => {
    expect(await connect({ tls: ours })).toBe('ready');
  });

  test('is refused where another authority is trusted, or only those of the system', async () => {
    expect(await connect({ tls: { ...ours, caFile: others.caFile } })).toMatch(/certificate/);
    expect(await connect({ tls: { ...ours, caFile: undefined } })).toMatch(/certificate/);
  });

  test('is refused under a name that its certificate does not have', async () => {
    expect(await connect({ tls: ours, addresses: [{ host: '127.0.0.2', port }] })).toMatch(/ECONNREFUSED/);
    // Any name that leads to this machine, but is not in the certificate.
    expect(await connect({ tls: ours, addresses: [{ host: '::ffff:127.0.0.1', port }] })).toMatch(
      /certificate's altnames/,
    );
  });

  test('refuses who has no certificate, one of another authority, no TLS, no password or a wrong one', async () => {
    expect(await connect({ tls: { caFile: ours.caFile } })).toMatch(/alert|ECONNRESET|closed/i);
    expect(await connect({ tls: { ...others, caFile: ours.caFile } })).toMatch(/alert|ECONNRESET|closed/i);
    expect(await connect({})).toMatch(/ECONNRESET|closed/i);
    expect(await connect({ tls: ours, password: undefined })).toMatch(/NOAUTH/);
    expect(await connect({ tls: ours, password: 'wrong' })).toMatch(/WRONGPASS/);
  });
});

const worksWith = async (env: Readonly<Record<string, string>>): Promise<void> => {
  await using system = await startSystem({ redis: { env: { ...env, ...tlsEnv(ours) } } });
  await system.start('manager');
  await system.start('worker');
  await system.submit(100, 'echo', 'x');
  await system.submit(100, 'echo', 'x', { priority: 'HIGH' });
  expect(await system.settle()).toEqual([]);
  expect(await system.countByStatus()).toEqual({ COMPLETED: 200 });
};

describe('all processes work', { timeout: 90_000 }, () => {
  test('with it, told by a URL', () =>
    worksWith(ofBothLanes({ URL: `rediss://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}` })));

  test('with it, told by names', () =>
    worksWith(ofBothLanes({ HOST: '127.0.0.1', PORT: String(port), TLS: 'true', PASSWORD })));

  test('with a cluster that has TLS and a password', async () => {
    await using cluster = await startRedisCluster({ tls: ours, password: 'secret' });
    await worksWith(clusterEnv(cluster.url));
  });

  test('with Sentinels and servers that have TLS and passwords', async () => {
    await using sentinels = await startSentinelRedis(ours);
    await worksWith(sentinels.env);
  });
});
