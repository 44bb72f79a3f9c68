import { randomBytes } from 'node:crypto';
import { v7 as uuidv7, version } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { setup, type TestApp } from '../../support/setup.ts';
import { ago, cleanUpAtNow, DAY, HOUR, MS, NOW, settings } from './support.ts';

let app: TestApp;
const userId = uuidv7();

beforeAll(async () => {
  app = await setup();
  await app.database.user.create({
    data: { id: userId, email: 'key@example.com', username: 'key', passwordHash: 'x' },
  });
});
afterAll(() => app.close());
beforeEach(() => app.database.apiKey.deleteMany());

interface Dates {
  createdAt?: Date;
  expiresAt?: Date | null;
  lastUsedAt?: Date | null;
  revokedAt?: Date | null;
}

const keyRow = (dates: Dates) => ({
  id: uuidv7(),
  userId,
  name: 'a key',
  prefix: 'tf_test',
  secretHash: randomBytes(32),
  scopes: ['TASKS_READ' as const],
  createdAt: ago(DAY),
  ...dates,
});

const putKey = async (dates: Dates): Promise<string> => (await app.database.apiKey.create({ data: keyRow(dates) })).id;
const revokedAt = async (id: string) =>
  (await app.database.apiKey.findUniqueOrThrow({ where: { id } })).revokedAt?.getTime();

describe('API keys are revoked', () => {
  test.each<[string, Dates, boolean]>([
    ['expired now', { expiresAt: NOW }, true],
    ['expire in a moment', { expiresAt: ago(-MS) }, false],
    ['were last used 30 days ago', { createdAt: ago(90 * DAY), lastUsedAt: ago(30 * DAY) }, true],
    ['were last used just less than 30 days ago', { createdAt: ago(90 * DAY), lastUsedAt: ago(30 * DAY - MS) }, false],
    ['were never used in the 30 days since they were made', { createdAt: ago(30 * DAY) }, true],
    ['were never used and are not quite 30 days old', { createdAt: ago(30 * DAY - MS) }, false],
    ['never expire and are in use', { createdAt: ago(900 * DAY), expiresAt: null, lastUsedAt: ago(DAY) }, false],
  ])('that %s: %j', async (_what, dates, isRevoked) => {
    const id = await putKey(dates);
    const { apiKeysRevoked, apiKeysDeleted } = await cleanUpAtNow(app);
    expect({ apiKeysRevoked, apiKeysDeleted }).toEqual({ apiKeysRevoked: isRevoked ? 1 : 0, apiKeysDeleted: 0 });
    expect(await revokedAt(id)).toBe(isRevoked ? NOW.getTime() : undefined);
  });

  test('by the settings', async () => {
    const id = await putKey({ createdAt: ago(7 * DAY), expiresAt: null });
    await cleanUpAtNow(app, settings(app, { API_KEY_STALE_DAYS: 8 }));
    expect(await revokedAt(id)).toBeUndefined();
    await cleanUpAtNow(app, settings(app, { API_KEY_STALE_DAYS: 7 }));
    expect(await revokedAt(id)).toBe(NOW.getTime());
  });

  test('when they expired even where disuse does not count', async () => {
    const unused = await putKey({ createdAt: ago(900 * DAY) });
    const expired = await putKey({ expiresAt: ago(DAY) });
    await cleanUpAtNow(app, settings(app, { API_KEY_STALE_DAYS: 0 }));
    expect(await revokedAt(unused)).toBeUndefined();
    expect(await revokedAt(expired)).toBe(NOW.getTime());
  });

  test('once: the time of an earlier revocation stays', async () => {
    const id = await putKey({ expiresAt: ago(20 * DAY), revokedAt: ago(10 * DAY) });
    expect((await cleanUpAtNow(app)).apiKeysRevoked).toBe(0);
    expect(await revokedAt(id)).toBe(ago(10 * DAY).getTime());
  });
});

test('the audit log says which keys were revoked, and why', async () => {
  const expired = await putKey({ expiresAt: ago(DAY), createdAt: ago(90 * DAY) });
  const unused = await putKey({ expiresAt: ago(-DAY), createdAt: ago(90 * DAY) });
  await putKey({});
  await app.database.auditEntry.deleteMany();
  await cleanUpAtNow(app);
  const entries = await app.database.auditEntry.findMany({ omit: { id: true, at: true } });
  const by = 'janitor';
  const rest = { actorId: null, action: 'API_KEY_REVOKED', address: null, count: 1 };
  expect(entries).toHaveLength(2);
  expect(entries).toContainEqual({ ...rest, target: expired, detail: { by, reason: 'EXPIRED' } });
  expect(entries).toContainEqual({ ...rest, target: unused, detail: { by, reason: 'UNUSED' } });
  const ids = (await app.database.auditEntry.findMany()).map(({ id }) => id);
  for (const id of ids) {
    expect(version(id)).toBe(7);
    expect(Math.abs(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) - Date.now())).toBeLessThan(HOUR);
  }
});

describe('API keys are deleted', () => {
  test('30 days after they were revoked, to the ms', async () => {
    const old = await putKey({ revokedAt: ago(30 * DAY) });
    const newer = await putKey({ revokedAt: ago(30 * DAY - MS) });
    expect((await cleanUpAtNow(app)).apiKeysDeleted).toBe(1);
    expect(await app.database.apiKey.findUnique({ where: { id: old } })).toBeNull();
    expect(await revokedAt(newer)).toBe(ago(30 * DAY - MS).getTime());
  });

  test('in two steps, however long ago they expired', async () => {
    const id = await putKey({ createdAt: ago(900 * DAY), expiresAt: ago(800 * DAY) });
    await cleanUpAtNow(app);
    expect(await revokedAt(id)).toBe(NOW.getTime());
    const { apiKeysDeleted } = await cleanUpAtNow(app, { now: ago(-30 * DAY) });
    expect(apiKeysDeleted).toBe(1);
  });

  test('never, where the setting is 0', async () => {
    await putKey({ revokedAt: ago(900 * DAY) });
    expect((await cleanUpAtNow(app, settings(app, { API_KEY_RETENTION_DAYS: 0 }))).apiKeysDeleted).toBe(0);
  });
});

test('more keys than a batch holds are all revoked, and counted before by a dry run that changes none', async () => {
  await app.database.apiKey.createMany({ data: Array.from({ length: 2_500 }, () => keyRow({ expiresAt: ago(DAY) })) });
  await app.database.apiKey.createMany({
    data: Array.from({ length: 1_000 }, () => keyRow({ revokedAt: ago(31 * DAY) })),
  });
  const planned = await cleanUpAtNow(app, { isDryRun: true });
  expect(planned).toMatchObject({ isDryRun: true, apiKeysRevoked: 2_500, apiKeysDeleted: 1_000 });
  expect(await app.database.apiKey.count({ where: { revokedAt: null } })).toBe(2_500);
  expect(await cleanUpAtNow(app)).toEqual({ ...planned, isDryRun: false });
  expect(await app.database.apiKey.count()).toBe(2_500);
  expect(await app.database.apiKey.count({ where: { revokedAt: null } })).toBe(0);
});

test('a key that somebody is just changing is left to the next run', async () => {
  const busy = await putKey({ expiresAt: ago(DAY) });
  const free = await putKey({ expiresAt: ago(DAY) });
  await app.database.$transaction(async (transaction) => {
    await transaction.$queryRaw`SELECT 1 FROM api_keys WHERE id = ${busy}::uuid FOR UPDATE`;
    expect((await cleanUpAtNow(app)).apiKeysRevoked).toBe(1);
  });
  expect(await revokedAt(free)).toBe(NOW.getTime());
  expect((await cleanUpAtNow(app)).apiKeysRevoked).toBe(1);
});
