import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ApiApp, errorOf, setupApi, type TestUser } from '../support/api.ts';
import { makeSchedule } from '../support/schedules.ts';

let app: ApiApp;
let admin: TestUser;
let user: TestUser;
let id: string;

beforeAll(async () => {
  app = await setupApi();
  admin = await app.admin();
});
beforeEach(async () => {
  user = await app.user();
  id = (await makeSchedule(app, { ownerId: user.id, dueInMs: 3_600_000 })).id;
});
afterAll(() => app.close());

const CHANGES = {
  SCHEDULE_UPDATED: 'updateSchedule(id: $id, input: { name: "renamed" })',
  SCHEDULE_PAUSED: 'pauseSchedule(id: $id)',
  SCHEDULE_RESUMED: 'resumeSchedule(id: $id)',
  SCHEDULE_RUN: 'runScheduleNow(id: $id)',
  SCHEDULE_DELETED: 'deleteSchedule(id: $id)',
};
const change = (who: TestUser, field: string) => who.call(`mutation ($id: ID!) { ${field} { id } }`, { id });
const entries = () => app.database.auditEntry.findMany({ where: { target: id }, orderBy: { id: 'asc' } });

describe('an admin', () => {
  test('sees and changes the schedules of others, whose tasks stay their own', async () => {
    expect((await admin.call('query ($id: ID!) { schedule(id: $id) { id } }', { id })).data.schedule).toEqual({ id });
    const { data } = await change(admin, CHANGES.SCHEDULE_RUN);
    expect((await app.factory.task(data.runScheduleNow.id)).ownerId).toBe(user.id);
    await change(admin, CHANGES.SCHEDULE_UPDATED);
    expect(await app.database.schedule.findUnique({ where: { id } })).toMatchObject({ name: 'renamed' });
  });

  test('is named in the audit log for each change', async () => {
    for (const field of Object.values(CHANGES)) expect((await change(admin, field)).errors).toBeUndefined();
    expect((await entries()).map(({ action }) => action)).toEqual(Object.keys(CHANGES));
    for (const entry of await entries()) {
      expect(entry).toMatchObject({ actorId: admin.id, target: id, detail: { ownerId: user.id } });
    }
  });

  test('is not named for what changes nothing, or is refused', async () => {
    await change(admin, CHANGES.SCHEDULE_RESUMED);
    const faulty = await change(admin, 'updateSchedule(id: $id, input: { cron: "soon" })');
    expect(errorOf(faulty)).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await entries()).toEqual([]);
  });
});

test('owners are not named for what they do to their own', async () => {
  for (const field of Object.values(CHANGES)) expect((await change(user, field)).errors).toBeUndefined();
  expect(await entries()).toEqual([]);
});

test('others are told that there is none, and are not named', async () => {
  const other = await app.user();
  for (const field of Object.values(CHANGES)) {
    expect(errorOf(await change(other, field))).toMatchObject({ code: 'NOT_FOUND' });
  }
  expect(await entries()).toEqual([]);
});
