import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../src/local/free-port.ts';
import { request } from '../../../src/local/graphql-client.ts';
import {
  type PrivateServer,
  setup,
  startPrivatePostgres,
  startPrivateRedis,
  type TestApp,
} from '../../support/setup.ts';
import { type StallingProxy, startStallingProxy } from '../../support/stalling-proxy.ts';
import { QUICK, SYSTEM_USER } from '../../support/system.ts';
import { Supervised } from './supervised.ts';

const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token user { id } } }';

/** Large enough for the load of the longest run, small enough to be filled in a moment. */
const DISK = '256m';

/** A small disk of its own for Redis; undefined where nothing may be mounted. */
export interface SmallDisk {
  readonly folder: string;
  fill(): void;
  free(): void;
}

const mountSmallDisk = async (): Promise<SmallDisk | undefined> => {
  const folder = await mkdtemp(join(tmpdir(), 'taskflow-disk-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', folder]).status !== 0) {
    await rm(folder, { recursive: true });
    return undefined;
  }
  const filler = join(folder, 'filler');
  return {
    folder,
    fill: () => {
      const { bavail, bsize } = statfsSync(folder);
      try {
        writeFileSync(filler, Buffer.alloc(bavail * bsize));
      } catch (error) {
        // Redis writes meanwhile, so the last of it may be gone already: then the disk is as full as it should be.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    },
    free: () => rmSync(filler, { force: true }),
  };
};

/** Two apis, two managers and two workers, which reach their databases through proxies that can fail. */
export interface Stand extends AsyncDisposable {
  readonly app: TestApp;
  readonly urls: readonly string[];
  readonly ownerId: string;
  readonly credentials: Record<string, string>;
  readonly processes: Readonly<Record<'api' | 'manager' | 'worker', readonly Supervised[]>>;
  readonly redis: PrivateServer;
  readonly postgres: PrivateServer;
  readonly toRedis: StallingProxy;
  readonly toPostgres: StallingProxy;
  readonly disk: SmallDisk | undefined;
}

/** @param settings of all processes, besides the quick ones */
export const openStand = async (settings: Record<string, string> = {}): Promise<Stand> => {
  const disk = await mountSmallDisk();
  const redis = await startPrivateRedis(disk ? { dir: disk.folder } : {});
  const postgres = await startPrivatePostgres();
  const app = await setup({ redis, postgres, settings: { ...QUICK, WORKER_CONCURRENCY: '20', ...settings } });
  const toRedis = await startStallingProxy(redis.port);
  const toPostgres = await startStallingProxy(postgres.port);
  const databaseUrl = new URL(app.databaseUrl);
  databaseUrl.port = String(toPostgres.port);
  const env = {
    ...app.env,
    DATABASE_URL: databaseUrl.href,
    REDIS_PORT_HIGH: String(toRedis.port),
    REDIS_PORT_LOW: String(toRedis.port),
  };
  const ports = [await freePort(), await freePort()];
  const processes = {
    api: ports.map((port) => new Supervised('api', { ...env, PORT: String(port) })),
    manager: [new Supervised('manager', env), new Supervised('manager', env)],
    worker: [new Supervised('worker', env), new Supervised('worker', env)],
  };
  await Promise.all(Object.values(processes).flatMap((list) => list.map((each) => each.started())));
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const { signUp } = await request<{ signUp: { token: string; user: { id: string } } }>(urls[0] as string, SIGN_UP, {
    input: SYSTEM_USER,
  });
  return {
    app,
    urls,
    processes,
    redis,
    postgres,
    toRedis,
    toPostgres,
    disk,
    ownerId: signUp.user.id,
    credentials: { authorization: `Bearer ${signUp.token}` },
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await Promise.all([toRedis[Symbol.asyncDispose](), toPostgres[Symbol.asyncDispose]()]);
      await Promise.all([redis[Symbol.asyncDispose](), postgres[Symbol.asyncDispose]()]);
      if (!disk) return;
      spawnSync('umount', [disk.folder]);
      await rm(disk.folder, { recursive: true, force: true });
    },
  };
};
