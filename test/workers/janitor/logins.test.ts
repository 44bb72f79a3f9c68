import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { setup, type TestApp } from '../../support/setup.ts';
import { ago, cleanUpAtNow, DAY, MS, NOW } from './support.ts';

let app: TestApp;
const userId = uuidv7();

beforeAll(async () => {
  app = await setup();
  await app.database.user.create({
    data: { id: userId, email: 'login@example.com', username: 'login', passwordHash: 'x' },
  });
});
afterAll(() => app.close());
beforeEach(() => app.database.loginSession.deleteMany());

/** Logins of 90 days ago. @returns their ids */
const putLogins = async (...ends: Date[]): Promise<string[]> => {
  const rows = ends.map((expiresAt) => ({ id: uuidv7(), userId, createdAt: ago(90 * DAY), expiresAt }));
  await app.database.loginSession.createMany({ data: rows });
  return rows.map(({ id }) => id);
};
const keptIds = async (): Promise<string[]> =>
  (await app.database.loginSession.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id);

test('logins are deleted when they have expired, to the ms, however old they are', async () => {
  const [, , goesOn] = await putLogins(ago(DAY), NOW, ago(-MS));
  expect((await cleanUpAtNow(app, { isDryRun: true })).loginsDeleted).toBe(2);
  expect(await keptIds()).toHaveLength(3);
  expect((await cleanUpAtNow(app)).loginsDeleted).toBe(2);
  expect(await keptIds()).toEqual([goesOn]);
});

test('a login that is renewed meanwhile stays', async () => {
  const [id = ''] = await putLogins(ago(DAY));
  await app.database.$transaction(async (transaction) => {
    await transaction.loginSession.update({ where: { id }, data: { expiresAt: ago(-DAY) } });
    expect((await cleanUpAtNow(app)).loginsDeleted).toBe(0);
  });
  expect((await cleanUpAtNow(app)).loginsDeleted).toBe(0);
  expect(await keptIds()).toEqual([id]);
});

test('expired logins go batch by batch', async () => {
  await putLogins(...Array.from({ length: 2_500 }, () => ago(DAY)));
  expect((await cleanUpAtNow(app)).loginsDeleted).toBe(2_500);
  expect(await keptIds()).toEqual([]);
});
