import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestUser } from '../support/api.ts';
import { makeEndedTasks } from '../support/many-tasks.ts';
import { ask, carryOut, countByStatus, type ManagedApi, setupManagedApi, start } from '../support/operating.ts';

let app: ManagedApi;
let admin: TestUser;
let ada: TestUser;
let bob: TestUser;

beforeAll(async () => {
  app = await setupManagedApi();
  admin = await app.admin();
  ada = await app.user();
  bob = await app.user();
});
afterAll(() => app.close());

const withKey = async (user: TestUser): Promise<TestUser> => {
  const headers = await app.keyOf(user, ['TASKS_READ', 'TASKS_WRITE']);
  return { ...user, headers, call: (query, variables) => app.call(query, variables, headers) };
};

describe('the tasks that an operation concerns', () => {
  test("are everybody's for an admin's login, and only its own for an admin's API key", async () => {
    for (const user of [admin, ada, bob]) {
      await makeEndedTasks(app, { ownerId: user.id, count: 3, status: 'FAILED', queue: 'a' });
    }
    const byKey = await carryOut(app, await withKey(admin), 'deleteTasks', { queue: ['a'] });
    expect(byKey).toMatchObject({ ownerId: admin.id, actorId: admin.id, done: 3 });
    expect(await countByStatus(app, { queue: 'a' })).toEqual({ FAILED: 6 });
    const byLogin = await carryOut(app, admin, 'retryTasks', { queue: ['a'], status: ['FAILED'] });
    expect(byLogin).toMatchObject({ ownerId: null, actorId: admin.id, done: 6 });
    expect(await countByStatus(app, { queue: 'a' })).toEqual({ QUEUED: 6 });
  });

  test('are not those of others, even by id', async () => {
    const ids = await makeEndedTasks(app, { ownerId: ada.id, count: 3, status: 'FAILED', queue: 'b' });
    for (const kind of ['retryTasks', 'cancelTasks', 'deleteTasks'] as const) {
      expect(await carryOut(app, bob, kind, { ids })).toMatchObject({ matched: 0, done: 0, skipped: 0 });
    }
    expect(await countByStatus(app, { queue: 'b' })).toEqual({ FAILED: 3 });
  });
});

describe('an operation', () => {
  test('is seen by its owner and by admins, newest first', async () => {
    const user = await app.user();
    const made = [];
    for (const queue of ['x', 'y', 'z']) made.push((await start(user, 'retryTasks', { queue: [queue] })).id);
    const page = '{ operations(first: 2) { edges { node { id where } } pageInfo { hasNextPage endCursor } } }';
    const { data } = await user.call(page);
    expect(data.operations.edges.map(({ node }: { node: object }) => node)).toEqual([
      { id: made[2], where: { queue: ['z'] } },
      { id: made[1], where: { queue: ['y'] } },
    ]);
    expect(data.operations.pageInfo).toEqual({ hasNextPage: true, endCursor: made[1] });
    expect((await admin.call(page)).data).toEqual(data);
    expect((await (await withKey(admin)).call(page)).data.operations.edges).not.toContainEqual(
      expect.objectContaining({ node: expect.objectContaining({ id: made[2] }) }),
    );
  });

  test('is written to the audit log, and so is its end before its time', async () => {
    const user = await withKey(await app.user());
    const { id } = await start(user, 'deleteTasks', { queue: ['audited'] }, { dryRun: true });
    const entry = async (action: string, target: string) =>
      app.database.auditEntry.findFirst({ where: { action, target } });
    expect(await entry('TASKS_DELETED', id)).toMatchObject({
      actorId: user.id,
      detail: { apiKeyId: expect.any(String), ownerId: user.id, where: { queue: ['audited'] }, isDryRun: true },
    });
    const { data } = await admin.call('mutation { purgeQueue(name: "audited") { id } }');
    expect(await entry('QUEUE_PURGED', 'audited')).toMatchObject({
      actorId: admin.id,
      detail: { operationId: data.purgeQueue.id },
    });
    await app.database.operation.updateMany({ where: { id }, data: { status: 'QUEUED', finishedAt: null, tries: 1 } });
    await user.call(`mutation { cancelOperation(id: "${id}") { id } }`);
    expect(await entry('OPERATION_CANCELLED', id)).toMatchObject({ actorId: user.id });
  });

  test('that is refused leaves no entry', async () => {
    const before = await app.database.auditEntry.count();
    expect((await ask(ada, 'deleteTasks', {})).errors).toHaveLength(1);
    expect(await app.database.auditEntry.count()).toBe(before);
  });
});
