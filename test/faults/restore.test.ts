import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startPostgresOf, startSystemPostgres } from '../support/private-servers.ts';
import { backUp } from '../support/replica.ts';
import {
  createDatabase,
  type PrivateServer,
  query,
  spawnProcess,
  startPrivatePostgres,
  startPrivateRedis,
  type TestProcess,
  waitFor,
} from '../support/setup.ts';
import { FOLDER_PREFIX } from '../support/sweep.ts';
import { type System, startSystem } from '../support/system.ts';
import { dump, hasSystemPostgres, restoreDump } from '../support/system-postgres.ts';

const TASKS = fileURLToPath(new URL('tasks', import.meta.url));
const CHANGES = 'subscription ($after: String) { taskChanges(after: $after) { event { taskId seq } } }';
const CREATE = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }';

/** How a backup is made; what it gives makes a new server of it. */
type BackUp = (databaseUrl: string, serverUrl: string, folder: string) => Promise<() => Promise<PrivateServer>>;

const byDump: BackUp = async (databaseUrl, _serverUrl, folder) => {
  const file = join(folder, 'backup');
  await dump(databaseUrl, file);
  return async () => {
    const server = await startSystemPostgres();
    await restoreDump(await createDatabase(server.url, nameOf(databaseUrl)), file);
    return server;
  };
};

const byBaseBackup: BackUp = async (_databaseUrl, serverUrl) => {
  const folder = await backUp(serverUrl, 'restore');
  return () => startPostgresOf(folder);
};

const nameOf = (databaseUrl: string): string => new URL(databaseUrl).pathname.slice(1);

const urlAt = (server: PrivateServer, databaseUrl: string): string => {
  const url = new URL(server.url);
  url.pathname = `/${nameOf(databaseUrl)}`;
  return url.href;
};

/** The next `count` changes after a cursor, as "<id> <seq>". */
const follow = async (system: System, after: string, count: number): Promise<string[]> => {
  const socket = system.socket();
  const seen: string[] = [];
  for await (const { data, errors } of socket.iterate<{ taskChanges: { event: { taskId: string; seq: number } } }>({
    query: CHANGES,
    variables: { after },
  })) {
    if (!data) throw new Error(JSON.stringify(errors));
    seen.push(`${data.taskChanges.event.taskId} ${data.taskChanges.event.seq}`);
    if (seen.length === count) break;
  }
  await socket.dispose();
  return seen;
};

const transitions = (ids: readonly string[], seqs: readonly number[]): string[] =>
  ids.flatMap((id) => seqs.map((seq) => `${id} ${seq}`));

/** A system with what it runs noted in a file. */
class Noted implements AsyncDisposable {
  readonly system: System;
  readonly folder: string;
  readonly #file: string;
  readonly #processes: TestProcess[] = [];

  constructor(system: System, folder: string) {
    this.system = system;
    this.folder = folder;
    this.#file = join(folder, 'ran');
    this.#processes.push(system.api);
  }

  async start(name: 'api' | 'manager' | 'worker', env: Record<string, string> = {}): Promise<void> {
    this.#processes.push(await this.system.start(name, { WORKER_TASKS: TASKS, ...env }));
  }

  submit(queue: string, count: number): Promise<string[]> {
    return this.system.submit(count, 'note', { file: this.#file }, { queue });
  }

  async submitOnce(idempotencyKey: string): Promise<string> {
    const input = { type: 'note', payload: { file: this.#file }, queue: 'unserved', idempotencyKey };
    return (await this.system.graphql<{ createTask: { id: string } }>(CREATE, { input })).createTask.id;
  }

  /** The ids of what ran since this was asked before, once for each time. */
  async ran(): Promise<string[]> {
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    await writeFile(this.#file, '');
    return text.split('\n').filter(Boolean).sort();
  }

  async cursor(): Promise<string> {
    return (await this.system.graphql<{ taskChangesCursor: string }>('{ taskChangesCursor }')).taskChangesCursor;
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((each) => each.kill('SIGKILL')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** @returns ids and statuses */
const statuses = async (databaseUrl: string): Promise<Record<string, string>> => {
  const rows = await query<{ id: string; status: string }>(databaseUrl, 'SELECT id, status::text FROM tasks');
  return Object.fromEntries(rows.map(({ id, status }) => [id, status]));
};

const haveEnded = (databaseUrl: string, ids: readonly string[]): Promise<true> =>
  waitFor(async () => {
    const known = await statuses(databaseUrl);
    return ids.every((id) => known[id] === 'COMPLETED');
  });

const lossAndRestore = async (start: () => Promise<PrivateServer>, makeBackup: BackUp, isRedisEmptied: boolean) => {
  await using postgres = await start();
  await using redis = await startPrivateRedis();
  await using system = await startSystem({ postgres, redis });
  await using noted = new Noted(system, await mkdtemp(FOLDER_PREFIX));
  const { databaseUrl } = system.app;
  await noted.start('manager');
  await noted.start('worker', { WORKER_QUEUES: 'default' });
  const done = await noted.submit('default', 20);
  const waiting = await noted.submit('held', 10);
  await haveEnded(databaseUrl, done);

  const restore = await makeBackup(databaseUrl, postgres.url, noted.folder);
  await noted.start('worker', { WORKER_QUEUES: 'held' });
  const lost = [...(await noted.submit('default', 5)), await noted.submitOnce('key')];
  await haveEnded(databaseUrl, [...waiting, ...lost.slice(0, 5)]);
  expect(await noted.ran()).toEqual([...done, ...waiting, ...lost.slice(0, 5)].sort());
  const cursor = await noted.cursor();
  await noted.killAll();
  await postgres.kill();
  if (isRedisEmptied) await system.app.broker.low.redis.flushall();

  await using restored = await restore();
  const env = { DATABASE_URL: urlAt(restored, databaseUrl) };
  const afterRestore = spawnProcess(['after-restore'], { ...system.app.env, ...env });
  expect(await afterRestore.exit).toEqual({ code: 0, signal: null });
  expect(afterRestore.output()).toBe('Moved on 1 feeds and 2 shards. Managers rebuild Redis when they start.\n');
  for (const name of ['api', 'manager', 'worker'] as const) await noted.start(name, env);
  const fresh = await noted.submit('default', 5);
  await haveEnded(env.DATABASE_URL, [...waiting, ...fresh]);

  // What ended after the backup runs again, once. What was submitted after it is gone, also where Redis still had it.
  expect(await noted.ran()).toEqual([...waiting, ...fresh].sort());
  expect(Object.keys(await statuses(env.DATABASE_URL)).sort()).toEqual([...done, ...waiting, ...fresh].sort());
  expect(await noted.submitOnce('key')).not.toBe(lost[5]);
  // Whoever followed the changes up to the loss misses none that came after the restore.
  const seen = await follow(system, cursor, 35);
  expect(seen.toSorted()).toEqual([...transitions(waiting, [2, 3]), ...transitions(fresh, [1, 2, 3])].sort());
};

describe('PostgreSQL is lost and restored from a backup', () => {
  test.skipIf(!hasSystemPostgres)('of pg_dump, beside a Redis that knows what came after it', { timeout: 40_000 }, () =>
    lossAndRestore(startSystemPostgres, byDump, false),
  );

  test('that copied its files, beside an empty Redis', { timeout: 40_000 }, () =>
    lossAndRestore(startPrivatePostgres, byBaseBackup, true),
  );
});
