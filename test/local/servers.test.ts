import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort, isPortFree, onPort, PortInUseError } from '../../src/local/free-port.ts';
import { startPostgres } from '../../src/local/postgres.ts';
import { identify } from '../../src/local/process-identity.ts';
import { startRedis } from '../../src/local/redis.ts';
import type { LocalServer } from '../../src/local/server-process.ts';
import { FAST_POSTGRES } from '../support/fast-settings.ts';
import { query, spawnNode, waitFor } from '../support/setup.ts';

const HOLD_SERVERS = fileURLToPath(new URL('./hold-servers.ts', import.meta.url));

const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'taskflow-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

const occupiedPort = async (): Promise<number> => {
  const port = await freePort();
  const server = await new Promise<Server>((done) => {
    const listening = createServer().listen(port, '127.0.0.1', () => done(listening));
  });
  onTestFinished(() => void server.close());
  return port;
};

const redisCommand = async (server: LocalServer, ...command: [string, ...string[]]): Promise<unknown> => {
  const client = new Redis(server.port, '127.0.0.1');
  try {
    return await client.call(...command);
  } finally {
    client.disconnect();
  }
};

interface Kind {
  name: string;
  start(folder: string, port?: number): Promise<LocalServer>;
  write(server: LocalServer): Promise<unknown>;
  /** What `write` wrote, as text. */
  read(server: LocalServer): Promise<string>;
}

const KINDS: Kind[] = [
  {
    name: 'PostgreSQL',
    start: (folder, port) => startPostgres({ folder: `${folder}/postgres`, port, settings: FAST_POSTGRES }),
    write: (server) => query(server.url, `CREATE TABLE notes AS SELECT 'kept' AS note`),
    read: async (server) => String((await query(server.url, 'SELECT note FROM notes'))[0]?.note),
  },
  {
    name: 'Redis',
    start: (folder, port) => startRedis({ folder: `${folder}/redis`, port }),
    write: (server) => redisCommand(server, 'SET', 'note', 'kept'),
    read: async (server) => String(await redisCommand(server, 'GET', 'note')),
  },
];

describe.each(KINDS)('a local $name', ({ name, start, write, read }) => {
  const started = async (folder: string, port?: number): Promise<LocalServer> => {
    const server = await start(folder, port);
    onTestFinished(() => server.stop());
    return server;
  };

  test('stops when told to, and finds its data again', async () => {
    const folder = await temporaryFolder();
    const first = await started(folder);
    await write(first);
    await first.stop();
    expect(identify(first.pid)).toBeUndefined();
    expect(await isPortFree(first.port)).toBe(true);
    await first.stop();

    const second = await started(folder, first.port);
    expect(second.port).toBe(first.port);
    expect(await read(second)).toBe('kept');
  });

  test('starts again after it was killed, although its pid is somebody else now', async () => {
    const folder = await temporaryFolder();
    const first = await started(folder);
    await write(first);
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    if (name === 'PostgreSQL') {
      const file = `${folder}/postgres/data/postmaster.pid`;
      const lines = (await readFile(file, 'utf8')).split('\n');
      await writeFile(file, [process.ppid, ...lines.slice(1)].join('\n'));
    }

    expect(await read(await started(folder))).toBe('kept');
  });

  test('says in one line that its port is in use, and starts on another then', async () => {
    const folder = await temporaryFolder();
    const port = await occupiedPort();
    const failure = await started(folder, port).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PortInUseError);
    expect(failure).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(new RegExp(`^Port ${port} is in use, ${name} .*$`)),
    });
    await started(folder);
  });

  test('leaves alone one whose owner is alive', async () => {
    const folder = await temporaryFolder();
    const first = await started(folder);
    await expect(started(folder)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(new RegExp(`^${name} in .* already runs for process ${process.pid};.*$`)),
    });
    expect(identify(first.pid)).toBeDefined();
  });

  test('refuses a setting that it does not understand with what its log says', async () => {
    const folder = await temporaryFolder();
    const settings = { 'no-such-setting': 'on' };
    const failure = name === 'Redis' ? startRedis({ folder, settings }) : startPostgres({ folder, settings });
    await expect(failure).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^.* did not start: .+ \(see .*\.log\)$/),
    });
  });
});

test('a PostgreSQL starts again while a backend of the killed one is still at its statement', async () => {
  const folder = await temporaryFolder();
  const first = await startPostgres({ folder, settings: FAST_POSTGRES });
  onTestFinished(() => first.stop());
  const endless = query(first.url, 'SELECT count(*) FROM generate_series(1, 1e15)');
  const broken = expect(endless).rejects.toThrow('Connection terminated');
  const running = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ 'count' AND pid <> pg_backend_pid()`;
  await waitFor(async () => (await query(first.url, running)).length > 0, { what: 'the statement runs' });
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  const second = await startPostgres({ folder, settings: FAST_POSTGRES });
  onTestFinished(() => second.stop());
  await broken;
  expect(await query(second.url, running)).toEqual([]);
});

describe('local servers whose owner ends without stopping them', () => {
  test('run on after a kill -9, and the next start puts new ones in their place', async () => {
    const folder = await temporaryFolder();
    const owner = spawnNode([HOLD_SERVERS, folder], {});
    const [, postgresPid, redisPid] = await owner.waitForOutput(/up (\d+) (\d+)/, 30_000);
    await owner.kill('SIGKILL');
    const leftovers = [Number(postgresPid), Number(redisPid)];
    for (const pid of leftovers) expect(identify(pid)).toBeDefined();

    for (const kind of KINDS) {
      const server = await kind.start(folder);
      onTestFinished(() => server.stop());
      await kind.write(server);
      expect(await kind.read(server)).toBe('kept');
    }
    for (const pid of leftovers) expect(identify(pid)).toBeUndefined();
  });

  test('end when the owner dies of an exception', async () => {
    const folder = await temporaryFolder();
    const owner = spawnNode([HOLD_SERVERS, folder, 'throw'], {});
    const [, postgresPid, redisPid] = await owner.waitForOutput(/up (\d+) (\d+)/, 30_000);
    expect(await owner.exit).toMatchObject({ code: 1 });
    for (const pid of [postgresPid, redisPid])
      await waitFor(() => identify(Number(pid)) === undefined, { what: `server ${pid} is gone` });
  });
});

describe('choosing a port', () => {
  test('tries another when somebody was faster, and gives up in the end', async () => {
    const tried: number[] = [];
    const start = async (port: number): Promise<number> => {
      tried.push(port);
      if (tried.length < 3) throw new PortInUseError('Redis', port);
      return port;
    };
    expect(await onPort(undefined, start)).toBe(tried[2]);
    await expect(onPort(undefined, (port) => Promise.reject(new PortInUseError('Redis', port)))).rejects.toThrow(
      PortInUseError,
    );
  });

  test('keeps to the one that was asked for', async () => {
    const port = await occupiedPort();
    expect(await isPortFree(port)).toBe(false);
    const tried: number[] = [];
    await expect(
      onPort(port, (given) => {
        tried.push(given);
        return Promise.reject(new PortInUseError('Redis', given));
      }),
    ).rejects.toThrow(`Port ${port} is in use`);
    expect(tried).toEqual([port]);
  });
});
