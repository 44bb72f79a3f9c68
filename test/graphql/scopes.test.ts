import { isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_KEY_SCOPES } from '../../src/accounts/api-key-input.ts';
import type { ApiKeyScope } from '../../src/accounts/principal.ts';
import { schema } from '../../src/graphql/schema.ts';
import { type Answer, type ApiApp, setupApi } from '../support/api.ts';
import { subscribe } from '../support/sockets.ts';

const ID = '01900000-0000-7000-8000-000000000000';

/**
 * Every operation, with the scope that an API key needs; `any` for any credentials but watch tokens, `none` for none at all,
 * `login` and `admin` for what no API key opens.
 */
const OPERATIONS: Record<string, [operation: string, needs: ApiKeyScope | 'any' | 'none' | 'login' | 'admin']> = {
  me: ['{ me { id } }', 'any'],
  version: ['{ version }', 'any'],
  task: [`{ task(id: "${ID}") { id } }`, 'TASKS_READ'],
  tasks: ['{ tasks { edges { cursor } } }', 'TASKS_READ'],
  taskTypes: ['{ taskTypes { type } }', 'TASKS_READ'],
  workers: ['{ workers { id } }', 'TASKS_READ'],
  workersUpdated: ['subscription { workersUpdated { id } }', 'TASKS_READ'],
  claimTasks: ['mutation { claimTasks(input: { workerId: "w", types: ["none"] }) { id } }', 'WORKER'],
  extendLeases: ['mutation { extendLeases(leases: []) { lost } }', 'WORKER'],
  completeTasks: ['mutation { completeTasks(workerId: "w", results: []) { lost } }', 'WORKER'],
  failTasks: ['mutation { failTasks(workerId: "w", failures: []) { lost } }', 'WORKER'],
  releaseTasks: ['mutation { releaseTasks(workerId: "w", leases: []) { lost } }', 'WORKER'],
  reportProgress: ['mutation { reportProgress(reports: []) { lost } }', 'WORKER'],
  writeTaskLogs: ['mutation { writeTaskLogs(lines: []) { lost } }', 'WORKER'],
  workerHeartbeat: [
    'mutation { workerHeartbeat(input: { workerId: "w", language: "x", host: "x", queues: ["*"], concurrency: 1, running: 0, types: [{ type: "x" }] }) }',
    'WORKER',
  ],
  workerGoodbye: ['mutation { workerGoodbye(workerId: "w") }', 'WORKER'],
  workAvailable: ['subscription { workAvailable(input: { types: ["x"] }) { at } }', 'WORKER'],
  queues: ['{ queues { name } }', 'any'],
  queue: ['{ queue(name: "x") { name } }', 'any'],
  flow: [`{ flow(id: "${ID}") { id } }`, 'TASKS_READ'],
  flows: ['{ flows { edges { cursor } } }', 'TASKS_READ'],
  flowsUpdated: ['subscription { flowsUpdated { edges { cursor } } }', 'TASKS_READ'],
  createFlow: ['mutation { createFlow(input: { name: "x", tasks: [] }) { id } }', 'TASKS_WRITE'],
  schedule: [`{ schedule(id: "${ID}") { id } }`, 'TASKS_READ'],
  schedules: ['{ schedules { edges { cursor } } }', 'TASKS_READ'],
  scheduleUpdated: [`subscription { scheduleUpdated(id: "${ID}") { id } }`, 'TASKS_READ'],
  schedulesUpdated: ['subscription { schedulesUpdated { edges { cursor } } }', 'TASKS_READ'],
  createSchedule: ['mutation { createSchedule(input: { name: "x", cron: "x", type: "x" }) { id } }', 'TASKS_WRITE'],
  updateSchedule: [`mutation { updateSchedule(id: "${ID}", input: {}) { id } }`, 'TASKS_WRITE'],
  pauseSchedule: [`mutation { pauseSchedule(id: "${ID}") { id } }`, 'TASKS_WRITE'],
  resumeSchedule: [`mutation { resumeSchedule(id: "${ID}") { id } }`, 'TASKS_WRITE'],
  deleteSchedule: [`mutation { deleteSchedule(id: "${ID}") { id } }`, 'TASKS_WRITE'],
  runScheduleNow: [`mutation { runScheduleNow(id: "${ID}") { id } }`, 'TASKS_WRITE'],
  apiKeys: ['{ apiKeys { id } }', 'KEYS_ADMIN'],
  signUp: ['mutation { signUp(input: { email: "x", username: "x", password: "x" }) { token } }', 'none'],
  login: ['mutation { login(input: { identifier: "x", password: "x" }) { token } }', 'none'],
  createTask: ['mutation { createTask(input: { type: "x" }) { id } }', 'TASKS_WRITE'],
  createTasks: ['mutation { createTasks(inputs: []) { id } }', 'TASKS_WRITE'],
  createApiKey: ['mutation { createApiKey(input: { name: "x", scopes: [KEYS_ADMIN] }) { secret } }', 'KEYS_ADMIN'],
  rotateApiKey: [`mutation { rotateApiKey(id: "${ID}", overlapMinutes: 0) { secret } }`, 'KEYS_ADMIN'],
  createWatchToken: [`mutation { createWatchToken(input: { taskIds: ["${ID}"] }) { token } }`, 'TASKS_READ'],
  renewSession: ['mutation { renewSession { token } }', 'login'],
  changePassword: ['mutation { changePassword(current: "wrong", new: "long enough") { token } }', 'login'],
  deleteAccount: ['mutation { deleteAccount(password: "wrong") }', 'login'],
  sessions: ['{ sessions { id } }', 'login'],
  sessionsUpdated: ['subscription { sessionsUpdated { id } }', 'login'],
  endSession: [`mutation { endSession(id: "${ID}") { id } }`, 'login'],
  apiKeysUpdated: ['subscription { apiKeysUpdated { id } }', 'KEYS_ADMIN'],
  user: [`{ user(id: "${ID}") { id } }`, 'admin'],
  users: ['{ users { edges { cursor } } }', 'admin'],
  usersUpdated: ['subscription { usersUpdated { edges { cursor } } }', 'admin'],
  lockUser: [`mutation { lockUser(id: "${ID}") { id } }`, 'admin'],
  unlockUser: [`mutation { unlockUser(id: "${ID}") { id } }`, 'admin'],
  setUserRole: [`mutation { setUserRole(id: "${ID}", role: USER) { id } }`, 'admin'],
  auditLogUpdated: ['subscription { auditLogUpdated { edges { cursor } } }', 'admin'],
  auditLog: ['{ auditLog { edges { cursor } } }', 'admin'],
  cancelTask: [`mutation { cancelTask(id: "${ID}") { id } }`, 'TASKS_WRITE'],
  retryTask: [`mutation { retryTask(id: "${ID}") { id } }`, 'TASKS_WRITE'],
  pauseQueue: ['mutation { pauseQueue(name: "x") { name } }', 'QUEUES_ADMIN'],
  operation: [`{ operation(id: "${ID}") { id } }`, 'TASKS_READ'],
  operations: ['{ operations { edges { cursor } } }', 'TASKS_READ'],
  retryTasks: ['mutation { retryTasks(where: {}) { id } }', 'TASKS_WRITE'],
  cancelTasks: ['mutation { cancelTasks(where: {}) { id } }', 'TASKS_WRITE'],
  deleteTasks: ['mutation { deleteTasks(where: {}) { id } }', 'TASKS_WRITE'],
  cancelOperation: [`mutation { cancelOperation(id: "${ID}") { id } }`, 'TASKS_WRITE'],
  operationUpdated: [`subscription { operationUpdated(id: "${ID}") { id } }`, 'TASKS_READ'],
  purgeQueue: ['mutation { purgeQueue(name: "x") { id } }', 'QUEUES_ADMIN'],
  drainQueue: ['mutation { drainQueue(name: "x") { name } }', 'QUEUES_ADMIN'],
  resumeQueue: ['mutation { resumeQueue(name: "x") { name } }', 'QUEUES_ADMIN'],
  revokeApiKey: [`mutation { revokeApiKey(id: "${ID}") { id } }`, 'KEYS_ADMIN'],
  taskUpdated: [`subscription { taskUpdated(id: "${ID}") { id } }`, 'TASKS_READ'],
  taskEvents: [`subscription { taskEvents(id: "${ID}") { seq } }`, 'TASKS_READ'],
  taskLogs: [`subscription { taskLogs(id: "${ID}") { id } }`, 'TASKS_READ'],
  taskChangesCursor: ['{ taskChangesCursor }', 'TASKS_READ'],
  statisticsUpdated: ['subscription { statisticsUpdated { at } }', 'TASKS_READ'],
  taskChanges: ['subscription { taskChanges { cursor } }', 'TASKS_READ'],
  queuesUpdated: ['subscription { queuesUpdated { name } }', 'any'],
  queueUpdated: ['subscription { queueUpdated(name: "x") { name } }', 'any'],
};

/** What a watch token opens, and nothing else. */
const WATCHABLE = ['task', 'tasks', 'taskUpdated', 'taskEvents', 'taskLogs', 'taskChanges', 'taskChangesCursor'];

let app: ApiApp;
const keys = new Map<ApiKeyScope, Record<string, string>>();
let login: Record<string, string>;
let ordinary: Record<string, string>;
let watcher: Record<string, string>;

beforeAll(async () => {
  app = await setupApi();
  const user = await app.admin();
  login = user.headers;
  ordinary = (await app.user()).headers;
  for (const scope of API_KEY_SCOPES) keys.set(scope, await app.keyOf(user, [scope]));
  const { data } = await user.call(`mutation { createWatchToken(input: { taskIds: ["${ID}"] }) { token } }`);
  watcher = { authorization: `Bearer ${data.createWatchToken.token}` };
});
afterAll(() => app.close());

/** The code of the error that says that the credentials are not enough; undefined where they are. */
const refusal = async (operation: string, headers: Record<string, string>): Promise<unknown> => {
  const { errors }: Pick<Answer, 'errors'> = operation.startsWith('subscription')
    ? await subscribe(app.yoga, headers, operation).then(
        () => ({ errors: undefined }),
        (error) => error,
      )
    : await app.call(operation, {}, headers);
  const code = errors?.[0]?.extensions?.code;
  return code === 'FORBIDDEN' || code === 'UNAUTHENTICATED' ? code : undefined;
};

describe('the scope of an API key', () => {
  const table = Object.entries(OPERATIONS).flatMap(([name, [operation, needs]]) =>
    API_KEY_SCOPES.map((scope) => [name, scope, operation, needs] as const),
  );
  test.each(table.filter(([, , , needs]) => needs !== 'none'))(
    'opens %s to %s or not, as the table says',
    async (_name, scope, operation, needs) => {
      const isAllowed = needs === 'any' || needs === scope;
      expect(await refusal(operation, keys.get(scope) ?? {})).toBe(isAllowed ? undefined : 'FORBIDDEN');
    },
  );

  test.each(Object.entries(OPERATIONS))(
    'is not needed for %s with a login, and without credentials nothing is open',
    async (name, [operation, needs]) => {
      if (name === 'login') return;
      expect(await refusal(operation, login)).toBeUndefined();
      expect(await refusal(operation, ordinary)).toBe(
        needs === 'admin' || needs === 'QUEUES_ADMIN' || needs === 'WORKER' ? 'FORBIDDEN' : undefined,
      );
      if (needs !== 'none') expect(await refusal(operation, {})).toBe('UNAUTHENTICATED');
    },
  );

  test.each(Object.entries(OPERATIONS).filter(([, [, needs]]) => needs !== 'none'))(
    'is not what a watch token has: it opens %s or not by itself',
    async (name, [operation]) => {
      expect(await refusal(operation, watcher)).toBe(WATCHABLE.includes(name) ? undefined : 'FORBIDDEN');
    },
  );

  test('is in the table for every operation of the schema', () => {
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(isObjectType);
    expect(roots.flatMap((root) => Object.keys(root.getFields())).toSorted()).toEqual(Object.keys(OPERATIONS).sort());
  });
});
