import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, onPort } from '../../src/local/free-port.ts';
import { startServerProcess, waitForLog } from '../../src/local/server-process.ts';
import { type Certificates, tlsEnv, tlsSettings } from './certificates.ts';
import { type PrivateServer, startPrivateRedis } from './private-servers.ts';
import { FOLDER_PREFIX } from './sweep.ts';
import { waitFor } from './wait-for.ts';

/** A primary, its replica, and three Sentinels that watch over them, all on 127.0.0.1 and with passwords. */
export interface SentinelRedis extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  nodes(): Promise<[primary: PrivateServer, replica: PrivateServer]>;
  /** Waits until the primary has a replica that has all it has. */
  healthy(): Promise<void>;
}

const NAME = 'mine';
const PASSWORD = 'of-the-servers';
const SENTINEL_PASSWORD = 'of-the-sentinels';
const SENTINELS = 3;
/** After how long without an answer the primary counts as down, in ms. */
const DOWN_AFTER_MS = 500;

const startSentinel = async (
  primaryPort: number,
  tls: Certificates | undefined,
): Promise<{ port: number; end: () => Promise<void> }> => {
  const folder = await mkdtemp(FOLDER_PREFIX);
  const config = join(folder, 'sentinel.conf');
  return onPort(undefined, async (port) => {
    const lines = [
      ...(tls ? tlsLines(port, tls) : [`port ${port}`]),
      'bind 127.0.0.1',
      `dir ${folder}`,
      `requirepass ${SENTINEL_PASSWORD}`,
      `sentinel sentinel-pass ${SENTINEL_PASSWORD}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 2`,
      `sentinel auth-pass ${NAME} ${PASSWORD}`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${NAME} 5000`,
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    const server = await startServerProcess({
      name: 'Sentinel',
      folder,
      command: 'redis-server',
      args: [config, '--sentinel'],
      gentle: 'SIGTERM',
    });
    await waitForLog(server, '+monitor master', port);
    return {
      port,
      end: async () => {
        await server.stop();
        await rm(folder, { recursive: true, force: true });
      },
    };
  });
};

/** With TLS, it listens to nothing else, and speaks to all others so, too. */
const tlsLines = (port: number, tls: Certificates): string[] => [
  'port 0',
  `tls-port ${port}`,
  'tls-replication yes',
  ...Object.entries(tlsSettings(tls)).map(([name, value]) => `${name} ${value}`),
];

/** @param tls then everybody speaks to everybody with TLS */
export const startSentinelRedis = async (tls?: Certificates): Promise<SentinelRedis> => {
  const settings = {
    requirepass: PASSWORD,
    masterauth: PASSWORD,
    'repl-diskless-sync-delay': '0',
    'shutdown-timeout': '0',
  };
  const startServer = async (more: Record<string, string>) => {
    if (!tls) {
      const server = await startPrivateRedis({ ...settings, ...more });
      return { server, port: server.port };
    }
    const port = await freePort();
    const secure = { ...tlsSettings(tls), 'tls-port': String(port), 'tls-replication': 'yes' };
    return { server: await startPrivateRedis({ ...settings, ...secure, ...more }), port };
  };
  const first = await startServer({});
  const servers = [first, await startServer({ replicaof: `127.0.0.1 ${first.port}` })];
  await waitFor(() => isHealthy(first.server.port), { what: 'the replica has the data', timeoutMs: 30_000 });
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(first.port, tls)));
  const ask = async (...words: string[]): Promise<unknown> => {
    const sentinel = new Redis({
      port: sentinels[0]?.port as number,
      password: SENTINEL_PASSWORD,
      ...(tls && {
        tls: { ca: readFileSync(tls.caFile), cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) },
      }),
    });
    try {
      return await sentinel.call('SENTINEL', ...words);
    } finally {
      sentinel.disconnect();
    }
  };
  const primary = async () => {
    const [, port] = (await ask('GET-MASTER-ADDR-BY-NAME', NAME)) as [string, string];
    return servers.find((each) => each.port === Number(port)) as (typeof servers)[number];
  };
  // They must know each other, and the replica, to agree on a failover.
  await waitFor(
    async () => {
      const [others, replicas] = (await Promise.all([ask('SENTINELS', NAME), ask('REPLICAS', NAME)])) as unknown[][];
      return others?.length === SENTINELS - 1 && replicas?.length === 1;
    },
    { what: 'the Sentinels know each other', timeoutMs: 30_000 },
  );
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
  const ofLane = (lane: string) => ({
    [`REDIS_URL_${lane}`]: `redis${tls ? 's' : ''}+sentinel://${hosts}/${NAME}`,
    [`REDIS_PASSWORD_${lane}`]: PASSWORD,
    [`REDIS_SENTINEL_PASSWORD_${lane}`]: SENTINEL_PASSWORD,
  });
  return {
    env: { ...ofLane('HIGH'), ...ofLane('LOW'), ...(tls && tlsEnv(tls)) },
    nodes: async () => {
      const { server } = await primary();
      const replica = servers.find((each) => each.server !== server)?.server as PrivateServer;
      return [server, replica];
    },
    healthy: async () => {
      const isWhole = async () => isHealthy((await primary()).server.port);
      await waitFor(isWhole, { what: 'the primary has a replica', timeoutMs: 30_000 });
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(sentinels.map(({ end }) => end()));
      await Promise.all(servers.map(({ server }) => server[Symbol.asyncDispose]()));
    },
  };
};

const isHealthy = async (port: number): Promise<boolean> => {
  const redis = new Redis({ port, password: PASSWORD, retryStrategy: null });
  redis.on('error', () => {});
  try {
    return /^slave0:.*state=online/m.test(await redis.info('replication'));
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
};
