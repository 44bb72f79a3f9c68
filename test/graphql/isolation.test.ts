import { isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import { type ApiApp, errorOf, PASSWORD, setupApi, type TestUser } from '../support/api.ts';
import { subscribe } from '../support/sockets.ts';

let app: ApiApp;
let owner: TestUser;
let stranger: TestUser;
let task: { id: string; type: string; queue: string };
let scheduleId: string;
let operationId: string;
/** With a flow of their own. */
let planner: TestUser;
let flowId: string;

beforeAll(async () => {
  app = await setupApi();
  owner = await app.user();
  stranger = await app.user();
  const input = { type: 'secret', queue: 'secret', payload: 'secret', tags: ['secret'], idempotencyKey: 'secret' };
  const { data } = await owner.call('mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }', {
    input,
  });
  task = { id: data.createTask.id, type: 'secret', queue: 'secret' };
  const made = await owner.call(`mutation { ${CREATE_SCHEDULE} }`);
  scheduleId = made.data.createSchedule.id;
  operationId = (await owner.call('mutation { retryTasks(where: { queue: ["secret"] }) { id } }')).data.retryTasks.id;
  planner = await app.user();
  flowId = (await planner.call(`mutation { ${CREATE_FLOW} }`)).data.createFlow.id;
});
afterAll(() => app.close());

const CREATE_FLOW = 'createFlow(input: { name: "secret", tasks: [{ name: "a", type: "other" }] }) { id }';
const CREATE_SCHEDULE = 'createSchedule(input: { name: "secret", cron: "@daily", type: "secret" }) { id }';

/** A stranger tries to change the owner's schedule. */
const refusesChange = async (change: string) => {
  const read = `{ schedule(id: "${scheduleId}") { name isPaused nextRunAt lastRunAt updatedAt } }`;
  const before = (await owner.call(read)).data.schedule;
  const refused = await stranger.call(`mutation { ${change.replace('$id', `"${scheduleId}"`)} { id } }`);
  expect(errorOf(refused)).toEqual({ code: 'NOT_FOUND' });
  expect(before).toMatchObject({ name: 'secret' });
  expect((await owner.call(read)).data.schedule).toEqual(before);
};

const refusesAdministration = async (change: string) => {
  expect(errorOf(await stranger.call(`mutation { ${change} { id } }`))).toEqual({ code: 'FORBIDDEN' });
  const users = await app.database.user.findMany({ where: { id: { in: [owner.id, stranger.id] } } });
  expect(users.map(({ isAdmin, lockedAt }) => ({ isAdmin, lockedAt }))).toEqual([
    { isAdmin: false, lockedAt: null },
    { isAdmin: false, lockedAt: null },
  ]);
};

const refusesWork = async (operation: string) => {
  expect(errorOf(await stranger.call(`mutation { ${operation} }`))).toEqual({ code: 'FORBIDDEN' });
  const key = 'mutation { createApiKey(input: { name: "mine", scopes: [WORKER] }) { secret } }';
  expect(errorOf(await stranger.call(key))).toEqual({ code: 'FORBIDDEN' });
};

/** What operations do with whose tasks is tried in test/operations. */
const concernsOwnTasks = async (mutation: string) => {
  const { data } = await stranger.call(`mutation { ${mutation}(where: { ids: ["${task.id}"] }) { ownerId } }`);
  expect(data[mutation]).toEqual({ ownerId: stranger.id });
  const named = `mutation { ${mutation}(all: true, where: { ownerId: "${owner.id}" }) { ownerId } }`;
  expect(errorOf(await stranger.call(named))).toEqual({ code: 'FORBIDDEN' });
  expect((await (await app.admin()).call(named)).data[mutation]).toEqual({ ownerId: owner.id });
};

const refusal = (subscription: Promise<unknown>) =>
  subscription.then(
    () => undefined,
    (error) => error,
  );

const refusesWatching = async (field: string, code: string) => {
  const refused = await refusal(subscribe(app.yoga, stranger.headers, `subscription { ${field} }`));
  expect(errorOf(refused as never)).toEqual({ code });
};

/** What a stranger gets from each operation of the schema: one that is not in this table fails the last test. */
const OPERATIONS: Record<string, () => Promise<void>> = {
  task: async () => {
    expect((await stranger.call(`{ task(id: "${task.id}") { id } }`)).data).toEqual({ task: null });
    expect((await owner.call(`{ task(id: "${task.id}") { id } }`)).data.task).toEqual({ id: task.id });
  },
  tasks: async () => {
    for (const where of [
      '{}',
      `{ ids: ["${task.id}"] }`,
      '{ tags: ["secret"] }',
      '{ type: ["secret"], queue: ["secret"] }',
    ]) {
      const query = `{ tasks(where: ${where}) { edges { node { id } } } }`;
      expect((await stranger.call(query)).data.tasks.edges).toEqual([]);
      expect((await owner.call(query)).data.tasks.edges).toHaveLength(1);
    }
    const named = await stranger.call(`{ tasks(where: { ownerId: "${owner.id}" }) { edges { cursor } } }`);
    expect(errorOf(named)).toEqual({ code: 'FORBIDDEN' });
    const around = await stranger.call(
      `{ tasks(last: 5, before: "${task.id.replace(/^.{8}/, '00000000')}") { edges { node { id } } } }`,
    );
    expect(around.data.tasks.edges).toEqual([]);
  },
  createTask: async () => {
    const { data } = await stranger.call(
      'mutation { createTask(input: { type: "secret", idempotencyKey: "secret" }) { id } }',
    );
    expect(data.createTask.id).not.toBe(task.id);
  },
  createTasks: async () => {
    const { data } = await stranger.call(
      'mutation { createTasks(inputs: [{ type: "secret", idempotencyKey: "secret2" }]) { id } }',
    );
    expect((await owner.call(`{ task(id: "${data.createTasks[0].id}") { id } }`)).data.task).toBeNull();
  },
  taskUpdated: () => refusesWatching(`taskUpdated(id: "${task.id}") { id }`, 'NOT_FOUND'),
  taskEvents: () => refusesWatching(`taskEvents(id: "${task.id}") { seq }`, 'NOT_FOUND'),
  taskLogs: () => refusesWatching(`taskLogs(id: "${task.id}") { id }`, 'NOT_FOUND'),
  cancelTask: async () => {
    expect(errorOf(await stranger.call(`mutation { cancelTask(id: "${task.id}") { id } }`))).toEqual({
      code: 'NOT_FOUND',
    });
    const { data } = await owner.call(`{ task(id: "${task.id}") { cancelRequestedAt finishedAt } }`);
    expect(data.task).toEqual({ cancelRequestedAt: null, finishedAt: null });
  },
  retryTask: async () => {
    expect(errorOf(await stranger.call(`mutation { retryTask(id: "${task.id}") { id } }`))).toEqual({
      code: 'NOT_FOUND',
    });
  },
  taskChanges: async () => {
    const named = `subscription { taskChanges(where: { ownerId: "${owner.id}" }) { cursor } }`;
    const keyOfAdmin = await app.keyOf(await app.admin(), ['TASKS_READ']);
    for (const headers of [stranger.headers, keyOfAdmin]) {
      expect(errorOf((await refusal(subscribe(app.yoga, headers, named))) as never)).toEqual({ code: 'FORBIDDEN' });
    }
    const query = 'subscription { taskChanges(after: "0") { event { taskId } } }';
    const [mine, theirs] = await Promise.all([
      subscribe(app.yoga, stranger.headers, query),
      subscribe(app.yoga, owner.headers, query),
    ]);
    await theirs.take(1);
    await app.live.begin(task);
    await theirs.take(1);
    // What the stranger submits now must be the first that the stranger sees, but for what other tests submitted.
    const { data } = await stranger.call('mutation { createTask(input: { type: "own" }) { id } }');
    for (;;) {
      const [change] = await mine.take(1);
      expect(change.event.taskId).not.toBe(task.id);
      if (change.event.taskId === data.createTask.id) break;
    }
  },
  taskChangesCursor: async () => {
    const query = '{ taskChangesCursor tasks { changesCursor } }';
    const named = await stranger.call(`{ taskChangesCursor(ownerId: "${owner.id}") }`);
    expect(errorOf(named)).toEqual({ code: 'FORBIDDEN' });
    const none = { taskChangesCursor: '0', tasks: { changesCursor: '0' } };
    expect((await (await app.user()).call(query)).data).toEqual(none);
    expect(Number((await owner.call(query)).data.taskChangesCursor)).toBeGreaterThan(0);
  },
  statisticsUpdated: async () => {
    const query = 'subscription { statisticsUpdated { tasks { queued scheduled processing failed } } }';
    const watch = await subscribe(app.yoga, (await app.user()).headers, query);
    expect(await watch.take(1)).toEqual([{ tasks: { queued: 0, scheduled: 0, processing: 0, failed: 0 } }]);
    const everybody = 'subscription { statisticsUpdated(everybody: true) { at } }';
    expect(errorOf((await refusal(subscribe(app.yoga, stranger.headers, everybody))) as never)).toEqual({
      code: 'FORBIDDEN',
    });
  },
  createFlow: async () => {
    const dependsOn = [task.id];
    const input = { type: 'secret', dependsOn };
    const refused = await stranger.call('mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }', {
      input,
    });
    expect(errorOf(refused)).toEqual({ code: 'BAD_USER_INPUT', field: 'input.dependsOn.0' });
    const own = await stranger.call(`mutation { ${CREATE_FLOW} }`);
    expect(own.data.createFlow.id).not.toBe(flowId);
    const { data } = await owner.call(`{ task(id: "${task.id}") { dependents { id } } }`);
    expect(data.task.dependents).toEqual([]);
  },
  flow: async () => {
    expect((await stranger.call(`{ flow(id: "${flowId}") { id } }`)).data).toEqual({ flow: null });
    expect((await planner.call(`{ flow(id: "${flowId}") { id } }`)).data.flow).toEqual({ id: flowId });
  },
  flows: async () => {
    const query = '{ flows { edges { node { id } } } }';
    expect((await planner.call(query)).data.flows.edges).toEqual([{ node: { id: flowId } }]);
    expect((await owner.call(query)).data.flows.edges).toEqual([]);
  },
  flowsUpdated: async () => {
    const query = 'subscription { flowsUpdated { edges { node { id } } } }';
    const own = await subscribe(app.yoga, planner.headers, query);
    expect(await own.take(1)).toEqual([{ edges: [{ node: { id: flowId } }] }]);
    const others = await subscribe(app.yoga, owner.headers, query);
    expect(await others.take(1)).toEqual([{ edges: [] }]);
  },
  scheduleUpdated: async () => {
    const query = `subscription { scheduleUpdated(id: "${scheduleId}") { id } }`;
    const own = await subscribe(app.yoga, owner.headers, query);
    expect(await own.take(1)).toEqual([{ id: scheduleId }]);
    const others = await subscribe(app.yoga, stranger.headers, query);
    expect(await others.take(1)).toEqual([null]);
  },
  schedulesUpdated: async () => {
    const query = 'subscription { schedulesUpdated { edges { node { id } } } }';
    const own = await subscribe(app.yoga, owner.headers, query);
    expect(await own.take(1)).toEqual([{ edges: [{ node: { id: scheduleId } }] }]);
    const others = await subscribe(app.yoga, stranger.headers, query);
    expect(await others.take(1)).toEqual([{ edges: [] }]);
  },
  schedule: async () => {
    expect((await stranger.call(`{ schedule(id: "${scheduleId}") { id } }`)).data).toEqual({ schedule: null });
    expect((await owner.call(`{ schedule(id: "${scheduleId}") { id } }`)).data.schedule).toEqual({ id: scheduleId });
  },
  schedules: async () => {
    const query = '{ schedules { edges { node { name } } } }';
    expect((await owner.call(query)).data.schedules.edges).toEqual([{ node: { name: 'secret' } }]);
    const other = await app.user();
    expect((await other.call(query)).data.schedules.edges).toEqual([]);
  },
  createSchedule: async () => {
    const { data } = await stranger.call(`mutation { ${CREATE_SCHEDULE} }`);
    expect(data.createSchedule.id).not.toBe(scheduleId);
  },
  updateSchedule: () => refusesChange('updateSchedule(id: $id, input: { name: "mine" })'),
  pauseSchedule: () => refusesChange('pauseSchedule(id: $id)'),
  resumeSchedule: async () => {
    await owner.call(`mutation { pauseSchedule(id: "${scheduleId}") { id } }`);
    await refusesChange('resumeSchedule(id: $id)');
  },
  deleteSchedule: () => refusesChange('deleteSchedule(id: $id)'),
  runScheduleNow: () => refusesChange('runScheduleNow(id: $id)'),
  operation: async () => {
    expect((await stranger.call(`{ operation(id: "${operationId}") { id } }`)).data).toEqual({ operation: null });
    expect((await owner.call(`{ operation(id: "${operationId}") { id } }`)).data.operation).toEqual({
      id: operationId,
    });
  },
  operations: async () => {
    const query = '{ operations { edges { node { id } } } }';
    expect((await owner.call(query)).data.operations.edges).toContainEqual({ node: { id: operationId } });
    expect((await (await app.user()).call(query)).data.operations.edges).toEqual([]);
  },
  retryTasks: () => concernsOwnTasks('retryTasks'),
  cancelTasks: () => concernsOwnTasks('cancelTasks'),
  deleteTasks: () => concernsOwnTasks('deleteTasks'),
  cancelOperation: async () => {
    const refused = await stranger.call(`mutation { cancelOperation(id: "${operationId}") { id } }`);
    expect(errorOf(refused)).toEqual({ code: 'NOT_FOUND' });
    const { finishedAt } = await app.database.operation.findUniqueOrThrow({ where: { id: operationId } });
    expect(finishedAt).toBeNull();
  },
  operationUpdated: () => refusesWatching(`operationUpdated(id: "${operationId}") { id }`, 'NOT_FOUND'),
  sessions: async () => {
    const { data } = await stranger.call('{ sessions { id } }');
    expect(data.sessions).toHaveLength(1);
    expect((await owner.call('{ sessions { id } }')).data.sessions).not.toContainEqual(data.sessions[0]);
  },
  sessionsUpdated: async () => {
    const watch = await subscribe(app.yoga, stranger.headers, 'subscription { sessionsUpdated { id } }');
    const { data } = await stranger.call('{ sessions { id } }');
    expect(await watch.take(1)).toEqual([data.sessions]);
  },
  endSession: async () => {
    const { data } = await owner.call('{ sessions { id } }');
    const refused = await stranger.call(`mutation { endSession(id: "${data.sessions[0].id}") { id } }`);
    expect(errorOf(refused)).toEqual({ code: 'NOT_FOUND' });
    expect((await owner.call('{ me { id } }')).data.me.id).toBe(owner.id);
  },
  user: async () =>
    expect(errorOf(await stranger.call(`{ user(id: "${stranger.id}") { id } }`))).toEqual({ code: 'FORBIDDEN' }),
  users: async () =>
    expect(errorOf(await stranger.call('{ users { edges { cursor } } }'))).toEqual({ code: 'FORBIDDEN' }),
  usersUpdated: () => refusesWatching('usersUpdated { edges { cursor } }', 'FORBIDDEN'),
  lockUser: () => refusesAdministration(`lockUser(id: "${owner.id}")`),
  unlockUser: () => refusesAdministration(`unlockUser(id: "${owner.id}")`),
  setUserRole: () => refusesAdministration(`setUserRole(id: "${stranger.id}", role: ADMIN)`),
  apiKeysUpdated: async () => {
    await app.keyOf(owner);
    const watch = await subscribe(app.yoga, stranger.headers, 'subscription { apiKeysUpdated { id isActive } }');
    const { data } = await stranger.call('{ apiKeys { id isActive } }');
    expect(await watch.take(1)).toEqual([data.apiKeys]);
  },
  apiKeys: async () => {
    await app.keyOf(owner);
    expect((await stranger.call('{ apiKeys { id } }')).data.apiKeys).toEqual([]);
  },
  createApiKey: async () => {
    const { data } = await stranger.call('mutation { createApiKey(input: { name: "x" }) { apiKey { id } } }');
    const { data: seen } = await owner.call('{ apiKeys { id } }');
    expect(seen.apiKeys).not.toContainEqual(data.createApiKey.apiKey);
    await stranger.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', data.createApiKey.apiKey);
  },
  revokeApiKey: async () => {
    const headers = await app.keyOf(owner);
    const { data } = await owner.call('{ apiKeys { id } }');
    const refused = await stranger.call('mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', {
      id: data.apiKeys[0].id,
    });
    expect(errorOf(refused)).toEqual({ code: 'NOT_FOUND' });
    expect((await app.call('{ me { id } }', {}, headers)).data.me.id).toBe(owner.id);
  },
  rotateApiKey: async () => {
    const headers = await app.keyOf(owner);
    const { data } = await owner.call('{ apiKeys { id } }');
    const rotate = 'mutation ($id: ID!) { rotateApiKey(id: $id, overlapMinutes: 0) { secret } }';
    expect(errorOf(await stranger.call(rotate, { id: data.apiKeys[0].id }))).toEqual({ code: 'NOT_FOUND' });
    expect((await app.call('{ me { id } }', {}, headers)).data.me.id).toBe(owner.id);
  },
  createWatchToken: async () => {
    const create = 'mutation ($input: CreateWatchTokenInput!) { createWatchToken(input: $input) { token } }';
    const { data } = await stranger.call(create, { input: { taskIds: [task.id], tags: ['secret'] } });
    const headers = { authorization: `Bearer ${data.createWatchToken.token}` };
    const seen = await app.call(`{ task(id: "${task.id}") { id } tasks { edges { cursor } } }`, {}, headers);
    expect(seen.data).toEqual({ task: null, tasks: { edges: [] } });
  },
  renewSession: async () => {
    const { data } = await (await app.user()).call('mutation { renewSession { user { id } } }');
    expect(data.renewSession.user.id).not.toBe(owner.id);
  },
  changePassword: async () => {
    const other = await app.user();
    const change = 'mutation ($current: String!) { changePassword(current: $current, new: "another one") { token } }';
    await other.call(change, { current: PASSWORD });
    expect((await owner.call('{ me { id } }')).data.me.id).toBe(owner.id);
  },
  deleteAccount: async () => {
    const other = await app.user();
    await other.call('mutation ($password: String!) { deleteAccount(password: $password) }', { password: PASSWORD });
    expect((await owner.call(`{ me { id } task(id: "${task.id}") { id } }`)).data).toEqual({
      me: { id: owner.id },
      task: { id: task.id },
    });
  },
  auditLogUpdated: () => refusesWatching('auditLogUpdated { edges { cursor } }', 'FORBIDDEN'),
  auditLog: async () => {
    const refused = await stranger.call('{ auditLog { edges { cursor } } }');
    expect(errorOf(refused)).toEqual({ code: 'FORBIDDEN' });
    expect(refused.data).toBeNull();
  },
  // Workers see everybody's payloads: no user but an admin can be one, or make a key for one.
  claimTasks: () => refusesWork('claimTasks(input: { workerId: "w", types: ["secret"] }) { id }'),
  extendLeases: () => refusesWork('extendLeases(leases: []) { lost }'),
  completeTasks: () => refusesWork('completeTasks(workerId: "w", results: []) { lost }'),
  failTasks: () => refusesWork('failTasks(workerId: "w", failures: []) { lost }'),
  releaseTasks: () => refusesWork('releaseTasks(workerId: "w", leases: []) { lost }'),
  reportProgress: () => refusesWork('reportProgress(reports: []) { lost }'),
  writeTaskLogs: () => refusesWork('writeTaskLogs(lines: []) { lost }'),
  workerHeartbeat: () =>
    refusesWork(
      'workerHeartbeat(input: { workerId: "w", language: "x", host: "x", queues: ["*"], concurrency: 1, running: 0, types: [{ type: "x" }] })',
    ),
  workerGoodbye: () => refusesWork('workerGoodbye(workerId: "w")'),
  workAvailable: () => refusesWatching('workAvailable(input: { types: ["secret"] }) { at }', 'FORBIDDEN'),
  me: async () => {
    expect((await stranger.call('{ me { id } }')).data.me.id).toBe(stranger.id);
  },
};

/** Shared by all owners, or open to everybody. */
const SHARED = [
  'drainQueue',
  'purgeQueue',
  'login',
  'pauseQueue',
  'queue',
  'queueUpdated',
  'queuesUpdated',
  'queues',
  'resumeQueue',
  'signUp',
  'taskTypes',
  'version',
  'workers',
  'workersUpdated',
];

describe('another user', () => {
  test.each(Object.entries(OPERATIONS))(
    'sees and changes nothing of the task and keys of the owner by %s',
    async (_name, check) => {
      await check();
    },
  );

  test('is tried with every operation of the schema', () => {
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(isObjectType);
    const names = roots.flatMap((root) => Object.keys(root.getFields()));
    expect(names.toSorted()).toEqual([...Object.keys(OPERATIONS), ...SHARED].sort());
  });
});
