import { type Manager, startManager } from '../../workers/manager/manager.ts';
import { type Answer, type ApiApp, setupApi, type TestUser } from './api.ts';
import { silent } from './factory.ts';
import { type SetupOptions, waitFor } from './setup.ts';
import { subscribe } from './sockets.ts';

/** An api with a manager beside it, which leads all shards. */
export interface ManagedApi extends ApiApp {
  readonly manager: Manager;
}

export const setupManagedApi = async (options: SetupOptions = {}): Promise<ManagedApi> => {
  const settings = { LEADER_LEASE_MS: '600', RECONCILE_INTERVAL_MS: '100', SHARDS_PER_LANE: '2', ...options.settings };
  const app = await setupApi({ ...options, settings });
  const manager = startManager({ broker: app.broker, database: app.database, config: app.config, logger: silent });
  await waitFor(() => manager.leads().length === app.broker.shards.length, { what: 'all shards are led' });
  const close = async (): Promise<void> => {
    await manager.stop();
    await app.close();
  };
  return { ...app, manager, close, [Symbol.asyncDispose]: close };
};

/** Fields of an operation that tests look at. */
const FIELDS = 'id kind status where queue reason isDryRun ownerId actorId matched done skipped error finishedAt';

export type BulkMutation = 'retryTasks' | 'cancelTasks' | 'deleteTasks';
type Caller = Pick<TestUser, 'call'>;
type Variables = Record<string, unknown>;

/** @param more `all`, `dryRun` */
export const ask = (user: Caller, kind: BulkMutation, where: Variables, more: Variables = {}): Promise<Answer> =>
  user.call(
    `mutation ($where: TaskWhere!, $all: Boolean, $dryRun: Boolean) { ${kind}(where: $where, all: $all, dryRun: $dryRun) { ${FIELDS} } }`,
    { where, ...more },
  );

/** As `ask`. @returns the operation, QUEUED */
export const start = async (user: Caller, kind: BulkMutation, where: Variables, more: Variables = {}) =>
  (await ask(user, kind, where, more)).data[kind];

export const startPurge = async (user: Caller, name: string, reason?: string) => {
  const purge = `mutation ($name: String!, $reason: String) { purgeQueue(name: $name, reason: $reason) { ${FIELDS} } }`;
  return (await user.call(purge, { name, reason })).data.purgeQueue;
};

export const watchOperation = (app: ApiApp, user: Pick<TestUser, 'headers'>, id: string) =>
  subscribe(app.yoga, user.headers, `subscription { operationUpdated(id: "${id}") { ${FIELDS} } }`);

/** Waits for the end of an operation. @returns its last state */
export const untilEnded = async (app: ApiApp, user: Pick<TestUser, 'headers'>, id: string) =>
  (await (await watchOperation(app, user, id)).rest()).at(-1);

/** As `start`, and waits for its end. */
export const carryOut = async (app: ApiApp, user: TestUser, kind: BulkMutation, where: Variables, more?: Variables) =>
  untilEnded(app, user, (await start(user, kind, where, more)).id);

/** @returns the ids of new tasks of type echo */
export const submitMany = async (user: Caller, count: number, more: Variables = {}): Promise<string[]> => {
  const inputs = Array.from({ length: count }, () => ({ type: 'echo', ...more }));
  const { data } = await user.call('mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }', {
    inputs,
  });
  return data.createTasks.map(({ id }: { id: string }) => id);
};

/** How many tasks stand where. */
export const countByStatus = async (app: ApiApp, where: { ownerId?: string; queue?: string }) => {
  const groups = await app.database.task.groupBy({ by: ['status'], where, _count: true });
  return Object.fromEntries(groups.map(({ status, _count }) => [status, _count]));
};
