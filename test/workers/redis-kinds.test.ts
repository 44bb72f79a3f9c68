import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { python, type WorkerKind } from '../conformance/workers.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { startPrivateRedis } from '../support/setup.ts';
import { type System, startSystem } from '../support/system.ts';

let certificates: Certificates & { folder: string };
beforeAll(async () => {
  certificates = await makeCertificates();
});
afterAll(() => rm(certificates.folder, { recursive: true }));

const ofBothLanes = (settings: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    ['HIGH', 'LOW'].flatMap((lane) =>
      Object.entries(settings).map(([name, value]) => [`REDIS_${name}_${lane}`, value]),
    ),
  );

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

describe.each([python])('the worker in $language', { timeout: 120_000 }, (kind) => {
  test('works with a server that it is told by a URL, with TLS and a password', async () => {
    const port = await freePort();
    const password = 'p@ss:w/rd';
    const { caFile, certFile, keyFile } = certificates;
    await using _ = await startPrivateRedis({
      port: '0',
      'tls-port': String(port),
      'tls-cert-file': certFile,
      'tls-key-file': keyFile,
      'tls-ca-cert-file': caFile,
      requirepass: password,
    });
    const url = `rediss://:${encodeURIComponent(password)}@127.0.0.1:${port}`;
    const files = { CA_FILE: caFile, CERT_FILE: certFile, KEY_FILE: keyFile };
    await using system = await startWith(kind, ofBothLanes({ URL: url, ...files }));
    await submit(system, 50);
    expect(await system.settle()).toEqual([]);
    expect(await system.countByStatus()).toEqual({ COMPLETED: 100 });
  });
});
