import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { loadConfig } from '../../src/config.ts';
import type { Database } from '../../src/database/client.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { freePort } from '../../src/local/free-port.ts';
import { request } from '../../src/local/graphql-client.ts';
import { readLiveCounts } from '../../src/queues/live-counts.ts';
import { openServices, type RunningServices } from '../../src/server/services.ts';
import type { SubmitInput } from '../../src/tasks/new-task.ts';
import { submitTasks } from '../../src/tasks/submit-tasks.ts';
import { Children } from '../children.ts';
import type { Servers } from '../servers.ts';
import { Ends } from './ends.ts';
import { type Contestant, inParallel, PAYLOAD, type System } from './system.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export const TASK: SubmitInput = {
  type: 'echo',
  payload: PAYLOAD,
  queue: 'default',
  priority: 'NORMAL',
  maxAttempts: 3,
};

/** QUEUED, PROCESSING, COMPLETED. */
const TRANSITIONS = 3;

/** What users have on by default, but for limits that would end the benchmark. */
const SETTINGS = {
  LOG_LEVEL: 'info',
  SECRET_KEY: 'a key that signs nothing of any value',
  RATE_LIMIT_PER_HOUR: '0',
  USER_RATE_LIMIT_PER_HOUR: '1000000000',
  MAX_REQUEST_BYTES: '33554432',
};

/** TaskFlow, with its processes as they are run, and its api's services inside this process. */
export interface TaskFlowSystem extends System {
  readonly services: RunningServices;
  readonly ownerId: string;
  /** Submits tasks, and waits until Redis has them. Returns their ids. */
  submitKnown(count: number): Promise<string[]>;
  /** Starts an api process. Returns its URL, and its process id. */
  startApi(): Promise<{ url: string; pid: number }>;
}

/** The environment of TaskFlow's processes. */
export const taskflowEnv = ({ databaseUrl, redisPort }: Servers, port: number) => ({
  ...SETTINGS,
  DATABASE_URL: databaseUrl,
  REDIS_PORT_HIGH: String(redisPort),
  REDIS_PORT_LOW: String(redisPort),
  PORT: String(port),
});

export const openTaskFlow = async (servers: Servers): Promise<TaskFlowSystem> => {
  await applyMigrations(servers.databaseUrl);
  const env = taskflowEnv(servers, await freePort());
  const services = openServices(loadConfig(['database', 'secret'], env), pino({ level: 'error' }));
  const children = new Children();
  const start = (name: string, more: NodeJS.ProcessEnv = {}) =>
    children.start([CLI, name], { ...env, ...more }, '"msg":"started"');
  await services.broker.ready();
  await start('manager');
  while (services.epochs.snapshot().size < services.broker.shards.length) await services.epochs.refresh();
  const ownerId = await makeOwner(services.database);
  let completions: Ends | undefined;
  const workers: Awaited<ReturnType<typeof start>>[] = [];
  return {
    services,
    ownerId,
    submit: (options) =>
      inParallel(options, (size) =>
        submitTasks(
          services,
          ownerId,
          Array.from({ length: size }, () => TASK),
        ),
      ),
    startWorkers: async (count) => {
      const started = Array.from({ length: count }, () => start('worker', { WORKER_CONCURRENCY: '500' }));
      workers.push(...(await Promise.all(started)));
    },
    stopWorkers: () => children.stop(workers.splice(0)),
    untilEnded: async (count) => {
      while ((await recordedOf(services.database, ownerId)) < count * TRANSITIONS) await delay(10);
    },
    submitAndWait: async () => {
      completions ??= await followCompletions(services, ownerId);
      const [task] = await submitTasks(services, ownerId, [TASK]);
      await completions.of(task?.id ?? '');
    },
    submitKnown: async (count) => {
      const ids: string[] = [];
      await inParallel({ count, callers: 4, size: 1_000 }, async (size) => {
        const tasks = await submitTasks(
          services,
          ownerId,
          Array.from({ length: size }, () => TASK),
        );
        ids.push(...tasks.map(({ id }) => id));
      });
      while ((await queuedIn(services)) < count) await delay(10);
      return ids;
    },
    startApi: async () => {
      const { pid = 0 } = await start('api');
      return { url: `http://127.0.0.1:${env.PORT}`, pid };
    },
    [Symbol.asyncDispose]: async () => {
      await services.endSubscriptions();
      await services.close();
      await children.stop();
    },
  };
};

/** Follows the changes of an owner as a subscriber does. @returns the tasks that are seen COMPLETED */
const followCompletions = async ({ router }: RunningServices, ownerId: string): Promise<Ends> => {
  const { changes } = await router.subscribe(ownerId);
  const ends = new Ends();
  const follow = async (): Promise<void> => {
    for await (const { taskId, status } of changes) if (status === 'COMPLETED') ends.note(taskId);
  };
  // It ends with the services, which cut their subscribers off.
  follow().catch(() => undefined);
  return ends;
};

const queuedIn = async ({ broker }: RunningServices): Promise<number> =>
  (await readLiveCounts(broker, TASK.queue)).queued;

const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token } }';

/** A new user of a running api. @returns the headers of their requests */
export const signUp = async (url: string): Promise<{ authorization: string }> => {
  const name = `bench-${randomUUID().slice(0, 8)}`;
  const input = { email: `${name}@example.com`, username: name, password: randomUUID() };
  const { signUp } = await request<{ signUp: { token: string } }>(url, SIGN_UP, { input });
  return { authorization: `Bearer ${signUp.token}` };
};

const makeOwner = async (database: Database): Promise<string> => {
  const id = randomUUID();
  const name = `bench-${randomUUID()}`;
  await database.user.create({ data: { id, email: `${name}@example.com`, username: name, passwordHash: 'none' } });
  await database.ownerFeed.create({ data: { ownerId: id } });
  return id;
};

/** Transitions that PostgreSQL has committed: the owner's positions have no holes. */
const recordedOf = async (database: Database, ownerId: string): Promise<number> => {
  const feed = await database.ownerFeed.findUnique({ where: { ownerId } });
  return Number(feed?.position ?? 0);
};

export const taskflow: Contestant = {
  name: 'TaskFlow',
  keeps: 'the task, its result and every transition in PostgreSQL',
  open: openTaskFlow,
};
