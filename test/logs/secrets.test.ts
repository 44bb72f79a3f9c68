import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { request } from '../../src/local/graphql-client.ts';
import { cpp, python, typescript } from '../conformance/workers.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { type PrivateServer, spawnProcess, startPrivateRedis, type TestProcess, waitFor } from '../support/setup.ts';
import { FOLDER_PREFIX } from '../support/sweep.ts';
import { type System, startSystem } from '../support/system.ts';

/** Texts that no log may have, by what they are. Each is like no other text. */
const marks = new Map<string, string>();
const mark = (what: string): string => {
  const text = marks.get(what) ?? `mark-${what}-${randomBytes(6).toString('hex')}`;
  marks.set(what, text);
  return text;
};

const LANGUAGES = [typescript, python, cpp].filter(({ missing }) => missing() === undefined);
const CREATE = `mutation ($type: String!, $queue: String!, $payload: JSON, $key: String) {
  createTask(input: { type: $type, queue: $queue, payload: $payload, idempotencyKey: $key, maxAttempts: 1 }) { id } }`;

interface Stack {
  system: System;
  redis: PrivateServer;
  admin: Redis;
  /** All that were started. */
  processes: TestProcess[];
}

const startStack = async (collector: string): Promise<Stack> => {
  const redis = await startPrivateRedis({ requirepass: mark('redis-password') });
  const system = await startSystem({
    redis,
    settings: {
      LOG_LEVEL: 'trace',
      SECRET_KEY: mark('secret-key').padEnd(40, '-'),
      REDIS_PASSWORD_HIGH: mark('redis-password'),
      REDIS_PASSWORD_LOW: mark('redis-password'),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${mark('collector-token')}`,
      METRICS_PORT: '0',
    },
  });
  marks.set('database-password', new URL(system.app.databaseUrl).password);
  marks.set('login-token', system.token);
  const processes = [system.api, await system.start('manager')];
  for (const kind of LANGUAGES) {
    await kind.build();
    const env = { ...system.app.env, TASKFLOW_CONFORMANCE: '1', WORKER_QUEUES: kind.language };
    const tasks = fileURLToPath(new URL('./tasks', import.meta.url));
    processes.push(kind === typescript ? spawnProcess(['worker', '--tasks', tasks], env) : kind.spawn(env));
  }
  await waitFor(
    async () =>
      (await system.graphql<{ workers: unknown[] }>('{ workers { id } }')).workers.length === LANGUAGES.length,
    { what: 'the workers are listed' },
  );
  const admin = new Redis({ port: redis.port, password: mark('redis-password') }).on('error', () => undefined);
  onTestFinished(() => admin.disconnect());
  return { system, redis, admin, processes };
};

/** As many kinds of requests as carry something that is nobody's business. */
const ask = async ({ system }: Stack): Promise<void> => {
  const { url } = system;
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
  const login = 'mutation ($p: String!) { login(identifier: "fault@example.com", password: $p) { token } }';
  await post(JSON.stringify({ query: login, variables: { p: mark('wrong-password') } }));
  const input = { email: 'ada@example.com', username: 'ada', password: mark('password') };
  const signUp = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token } }';
  const ada = await request<{ signUp: { token: string } }>(url, signUp, { input });
  marks.set('other-login-token', ada.signUp.token);
  const makeKey = 'mutation { createApiKey(input: { name: "k", scopes: [TASKS_READ, TASKS_WRITE] }) { secret } }';
  const { createApiKey } = await system.graphql<{ createApiKey: { secret: string } }>(makeKey);
  marks.set('api-key', createApiKey.secret);
  await request(url, '{ me { username } }', {}, { 'x-api-key': createApiKey.secret });
  await post('{"query":"{ me { username } }"}', { 'x-api-key': `tf_${mark('wrong-key')}` });
  await post('{"query":"{ me { username } }"}', { authorization: `Bearer ${mark('wrong-token')}` });
  await post(`{"query": ${mark('broken-body')}`);
  const given = (id: string) => post('{"query":"{ __typename }"}', { 'x-request-id': id });
  expect((await given('of-a-proxy')).headers.get('x-request-id')).toBe('of-a-proxy');
  expect((await given('"of nobody"')).headers.get('x-request-id')).toBeNull();
  await post(JSON.stringify({ query: `{ ${mark('broken-document').replaceAll('-', '_')}(` }));
  await post(JSON.stringify({ query: login, variables: { p: { [mark('variable')]: 1 } } }));
  marks.set('document', marks.get('broken-document')?.replaceAll('-', '_') ?? '');
  await talkNonsense(url);
};

const talkNonsense = async (url: string): Promise<void> => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('open', () => {
    socket.send(
      JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${mark('socket-token')}` } }),
    );
    socket.send(`{"type": ${mark('socket-message')}`);
  });
  await new Promise((resolve) => socket.on('close', resolve).on('error', resolve));
};

/** Tasks of every language that hold what nobody else may read. @returns their ids */
const submitAll = async ({ system }: Stack): Promise<string[]> => {
  const ids: string[] = [];
  const submit = async (queue: string, type: string, payload: unknown, key?: string) => {
    const { createTask } = await system.graphql<{ createTask: { id: string } }>(CREATE, { type, queue, payload, key });
    ids.push(createTask.id);
  };
  for (const { language } of LANGUAGES) {
    await submit(language, 'echo', { text: mark('payload') }, mark(`key-of-${language}`));
    await submit(language, 'conformance.error', { message: mark('error-message'), retry: 'never' });
    await submit(language, 'conformance.log', {
      lines: 1,
      message: mark('log-line'),
      fields: { of: mark('log-field') },
    });
    await submit(language, 'conformance.progress', { values: [1, 2, 3], detail: mark('progress-detail') });
  }
  await submit('typescript', 'isolated.log', { args: [mark('command-argument')] });
  return ids;
};

/** What drivers throw when servers refuse what they are sent. */
const breakServers = async (stack: Stack): Promise<void> => {
  const { system, admin } = stack;
  const folder = await mkdtemp(FOLDER_PREFIX);
  onTestFinished(() => rm(folder, { recursive: true }));
  const outOfOrder = async (begin: () => Promise<unknown>, end: () => Promise<unknown>) => {
    const file = join(folder, randomBytes(6).toString('hex'));
    const payload = { text: mark('result'), file };
    await system.graphql(CREATE, { type: 'late', queue: 'typescript', payload });
    await waitFor(async () => (await system.countByStatus()).PROCESSING === 1, { what: 'it runs' });
    await begin();
    await writeFile(file, '');
    await Promise.allSettled(submissionsOf(system));
    await system.api.waitForOutput(/could not enqueue/);
    await typescriptWorker(stack).waitForOutput(/outcomes are kept/);
    await end();
    await waitFor(async () => (await system.countByStatus()).PROCESSING === undefined, { what: 'it has ended' });
  };
  await outOfOrder(
    () => admin.call('ACL', 'SETUSER', 'default', '-fcall'),
    () => admin.call('ACL', 'SETUSER', 'default', '+@all'),
  );
  await outOfOrder(
    () => admin.config('SET', 'maxmemory', '1'),
    () => admin.config('SET', 'maxmemory', '0'),
  );
  await system.app.database.$executeRawUnsafe(`ALTER TABLE tasks ADD CONSTRAINT broken CHECK (queue <> 'broken')`);
  const refused = { type: 'echo', queue: 'broken', payload: mark('refused-payload') };
  await expect(system.graphql(CREATE, refused)).rejects.toThrow('Internal error');
  const headers = { authorization: `Bearer ${system.token}`, 'x-request-id': 'of-a-proxy-4711' };
  await expect(request(system.url, CREATE, refused, headers)).rejects.toThrow('Internal error');
  await stack.redis.kill();
  await Promise.allSettled(submissionsOf(system));
  await stack.redis.start();
};

const submissionsOf = (system: System): Promise<unknown>[] =>
  LANGUAGES.map(({ language }) =>
    system.graphql(CREATE, { type: 'echo', queue: language, payload: mark('payload-in-an-outage') }),
  );

const typescriptWorker = ({ processes }: Stack): TestProcess => processes[2] as TestProcess;

/** Processes that do not get so far as to run. */
const startInVain = async ({ system: { app } }: Stack): Promise<TestProcess[]> => {
  const wrongDatabase = new URL(app.databaseUrl);
  wrongDatabase.password = mark('wrong-database-password');
  const nowhere = `postgresql://user:${mark('password-of-a-bad-url')}@:port/name`;
  const once = [
    spawnProcess(['janitor'], { ...app.env, DATABASE_URL: wrongDatabase.href }),
    spawnProcess(['migrate'], { ...app.env, DATABASE_URL: wrongDatabase.href }),
    spawnProcess(['janitor'], { ...app.env, DATABASE_URL: nowhere }),
    spawnProcess(['api'], { ...app.env, PORT: '0', SECRET_KEY: mark('short') }),
  ];
  for (const process of once) expect((await process.exit).code).toBe(1);
  const wrong = { REDIS_PASSWORD_HIGH: mark('wrong-redis-password'), REDIS_PASSWORD_LOW: mark('wrong-redis-password') };
  const forEver = [
    ...LANGUAGES.map((kind) => kind.spawn({ ...app.env, ...wrong })),
    spawnProcess(['manager'], { ...app.env, DATABASE_URL: wrongDatabase.href }),
    spawnProcess(['api'], { ...app.env, PORT: '0', DATABASE_URL: wrongDatabase.href, ...wrong }),
  ];
  for (const process of forEver) await process.waitForOutput(/Redis|WRONGPASS|partitions/);
  // Such a manager would lead shards, and do nothing for them.
  for (const process of forEver) await process.kill('SIGKILL');
  return [...once, ...forEver];
};

test('no log of any process has a secret, a token, a payload or a result, at the most talkative level', {
  timeout: 240_000,
}, async () => {
  await using collector = await startOtlpReceiver(401);
  const stack = await startStack(collector.url);
  await using _ = stack.system;
  await ask(stack);
  const ids = await submitAll(stack);
  await waitFor(async () => (await stack.system.countByStatus()).QUEUED === undefined, { what: 'all have run' });
  const [held] = await stack.system.submit(1, 'echo', mark('cancelled-payload'), { queue: 'nobody' });
  const reason = mark('cancel-reason');
  await stack.system.graphql(`mutation { cancelTask(id: "${held}", reason: "${reason}") { id } }`);
  stack.processes.push(...(await startInVain(stack)));
  await breakServers(stack);
  for (const { kill } of stack.processes) await kill();

  const outputs = stack.processes.map((process) => process.output());
  expect(marks.size).toBeGreaterThan(25);
  const leaks = [...marks].map(([what, text]) => ({
    what,
    found: outputs.flatMap((output) => output.split('\n').filter((line) => line.includes(text))),
  }));
  expect(leaks.filter(({ found }) => found.length > 0)).toEqual([]);
  // They were talkative, and said what it was about.
  const all = outputs.join('\n');
  const failed = all.split('\n').filter((line) => line.includes('"msg":"task failed"'));
  expect(failed.length).toBe(LANGUAGES.length);
  for (const line of failed) {
    expect(ids).toContain(JSON.parse(line).taskId);
    expect(JSON.parse(line)).toMatchObject({ attempt: 1, workerId: expect.any(String) });
  }
  expect(all).toMatch(/a thread says/);
  const faults = all.split('\n').filter((line) => line.includes('PostgreSQL refused the data (23514)'));
  const requestIds = faults.map((line) => JSON.parse(line).requestId);
  expect(requestIds).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), 'of-a-proxy-4711']);
});
