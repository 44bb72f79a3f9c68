import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TaskStatus } from '../../../src/tasks/task-state.ts';
import { setup, type TestApp } from '../../support/setup.ts';
import { ago, cleanUpAtNow, HOUR, MS, putTasks, settings } from './support.ts';

let app: TestApp;
const ownerId = uuidv7();

beforeAll(async () => {
  app = await setup();
});
afterAll(() => app.close());
beforeEach(() => app.database.idempotencyKey.deleteMany());

const keyRow = (key: string, createdAt: Date, taskId: string) => ({
  ownerId,
  key,
  taskId,
  requestHash: randomBytes(32),
  createdAt,
});

const putKey = async (key: string, age: number, status?: TaskStatus): Promise<void> => {
  // Those without a task: it was dropped before.
  const [id = uuidv7()] = status ? await putTasks(app, [{ ownerId, at: ago(age), status }]) : [];
  await app.database.idempotencyKey.create({ data: keyRow(key, ago(age), id) });
};

const keys = async (): Promise<string[]> =>
  (await app.database.idempotencyKey.findMany({ orderBy: { key: 'asc' } })).map(({ key }) => key);

describe('idempotency keys are deleted', () => {
  test('24 hours after they were taken, to the ms', async () => {
    await putKey('at the limit', 24 * HOUR, 'COMPLETED');
    await putKey('just before', 24 * HOUR - MS, 'COMPLETED');
    expect((await cleanUpAtNow(app)).idempotencyKeysDeleted).toBe(1);
    expect(await keys()).toEqual(['just before']);
  });

  test('by the setting, and never where it is 0', async () => {
    await putKey('old', 3 * HOUR, 'COMPLETED');
    await cleanUpAtNow(app, settings(app, { IDEMPOTENCY_KEY_RETENTION_HOURS: 0 }));
    await cleanUpAtNow(app, settings(app, { IDEMPOTENCY_KEY_RETENTION_HOURS: 4 }));
    expect(await keys()).toEqual(['old']);
    await cleanUpAtNow(app, settings(app, { IDEMPOTENCY_KEY_RETENTION_HOURS: 3 }));
    expect(await keys()).toEqual([]);
  });

  test('not before their task has ended', async () => {
    const unfinished = ['PROCESSING', 'QUEUED', 'SCHEDULED', 'WAITING'] as const;
    for (const status of [...unfinished, 'COMPLETED', 'FAILED', 'CANCELLED'] as const)
      await putKey(status, 900 * HOUR, status);
    await putKey('gone', 900 * HOUR);
    expect((await cleanUpAtNow(app)).idempotencyKeysDeleted).toBe(4);
    expect(await keys()).toEqual(unfinished);
    await app.database.task.updateMany({ data: { status: 'COMPLETED', finishedAt: new Date() } });
    expect((await cleanUpAtNow(app)).idempotencyKeysDeleted).toBe(4);
  });

  test('in batches: those of one ms, and those that stay, do not stop it', async () => {
    const [held = ''] = await putTasks(app, [{ ownerId, at: ago(50 * HOUR), status: 'QUEUED' }]);
    const rows = Array.from({ length: 4_000 }, (_, i) => {
      const age = i < 2_500 ? 40 * HOUR : 30 * HOUR - i * MS;
      return keyRow(`many ${i}`, ago(age), i % 2 === 0 ? held : uuidv7());
    });
    await app.database.idempotencyKey.createMany({ data: rows });
    expect((await cleanUpAtNow(app, { isDryRun: true })).idempotencyKeysDeleted).toBe(2_000);
    expect(await app.database.idempotencyKey.count()).toBe(4_000);
    expect((await cleanUpAtNow(app)).idempotencyKeysDeleted).toBe(2_000);
    expect(await app.database.idempotencyKey.count({ where: { taskId: held } })).toBe(2_000);
  });
});
