import type { Client } from 'graphql-ws';
import { freePort } from '../../src/local/free-port.ts';
import { openSocket, request } from '../../src/local/graphql-client.ts';
import { ridingOut } from './failovers.ts';
import { checkBooks } from './invariants.ts';
import { CLI } from './processes.ts';
import { type SetupOptions, setup, spawnNode, type TestApp, type TestProcess, waitFor } from './setup.ts';

/** Quick enough for tests: a worker is missed after a second, a manager after half of one. */
export const QUICK = {
  LEASE_MS: '1000',
  LEADER_LEASE_MS: '500',
  RECONCILE_INTERVAL_MS: '300',
  HEARTBEAT_INTERVAL_SECONDS: '1',
  DATABASE_TIMEOUT_MS: '2000',
  REDIS_TIMEOUT_MS: '1000',
  WORKER_CONCURRENCY: '50',
};

/** Who is signed up first. */
export const SYSTEM_USER = { email: 'fault@example.com', username: 'fault', password: 'a long password' };

export interface SystemOptions extends SetupOptions {
  /** The cli that its processes run. Default: ours, uncompiled. */
  cli?: string;
}

/** TaskFlow's real processes on real servers, and a signed-up user who talks to them over GraphQL. */
export interface System extends AsyncDisposable {
  readonly app: TestApp;
  readonly url: string;
  readonly ownerId: string;
  /** Of the user's login. */
  readonly token: string;
  /** The one that it was started with. */
  readonly api: TestProcess;
  start(name: 'api' | 'manager' | 'worker', env?: Record<string, string>): Promise<TestProcess>;
  graphql<T>(query: string, variables?: Record<string, unknown>): Promise<T>;
  /** Submits `count` tasks of a type with the same payload. Returns their ids. */
  submit(count: number, type: string, payload: unknown, more?: Record<string, unknown>): Promise<string[]>;
  socket(): Client;
  /** Waits until all the owner's tasks ended, then checks the books. Returns the faults. */
  settle(timeoutMs?: number): Promise<string[]>;
  countByStatus(): Promise<Record<string, number>>;
}

const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token user { id } } }';
const SUBMIT = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }';

/** Starts an api. Managers and workers are the test's to start. */
export const startSystem = async (options: SystemOptions = {}): Promise<System> => {
  const port = await freePort();
  const app = await setup({ ...options, settings: { ...QUICK, PORT: String(port), ...options.settings } });
  const url = `http://127.0.0.1:${port}`;
  const start = async (name: string, env: Record<string, string> = {}): Promise<TestProcess> => {
    const child = spawnNode([options.cli ?? CLI, name], { ...app.env, ...env });
    await child.waitForOutput(/"msg":"started"/);
    return child;
  };
  const api = await start('api');
  const { signUp } = await request<{ signUp: { token: string; user: { id: string } } }>(url, SIGN_UP, {
    input: SYSTEM_USER,
  });
  const credentials = { authorization: `Bearer ${signUp.token}` };
  const ownerId = signUp.user.id;
  const countByStatus = async (): Promise<Record<string, number>> => {
    const groups = await app.database.task.groupBy({ by: ['status'], where: { ownerId }, _count: true });
    return Object.fromEntries(groups.map(({ status, _count }) => [status, _count]));
  };
  return {
    app,
    url,
    api,
    ownerId,
    token: signUp.token,
    start,
    countByStatus,
    graphql: (query, variables = {}) => ridingOut(() => request(url, query, variables, credentials)),
    submit: async (count, type, payload, more = {}) => {
      const inputs = Array.from({ length: count }, () => ({ type, payload, ...more }));
      const { createTasks } = await request<{ createTasks: { id: string }[] }>(url, SUBMIT, { inputs }, credentials);
      return createTasks.map(({ id }) => id);
    },
    socket: () => openSocket(url, credentials),
    settle: async (timeoutMs = 60_000) => {
      const isLive = (status: string): boolean => ['WAITING', 'QUEUED', 'PROCESSING', 'SCHEDULED'].includes(status);
      await waitFor(async () => !Object.keys(await countByStatus()).some(isLive), {
        timeoutMs,
        what: 'all tasks have ended',
      });
      return checkBooks(app.database, ownerId);
    },
    [Symbol.asyncDispose]: () => app.close(),
  };
};
