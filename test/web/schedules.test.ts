import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import { openSecondBrowser, visitorOf } from '../support/visitor.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
  await dashboard.system.start('worker');
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });

const newUserAtSchedules = async (options = {}): Promise<Page> => {
  const page = await dashboard.newUser(options);
  await page.goto('/schedules');
  await page.getByText('No schedules yet').waitFor();
  return page;
};

const MAKE = 'mutation ($input: CreateScheduleInput!) { createSchedule(input: $input) { id } }';

/** Makes a schedule as a program would. @returns its id */
const makeSchedule = async (page: Page, input: Record<string, unknown>): Promise<string> => {
  const { graphql } = await visitorOf(dashboard, page);
  const { createSchedule } = await graphql<{ createSchedule: { id: string } }>(MAKE, {
    input: { type: 'echo', cron: '0 12 1 1 *', ...input },
  });
  return createSchedule.id;
};

const shownTimes = (page: Page, label: string) =>
  page
    .getByRole('list', { name: label })
    .locator('time')
    .evaluateAll((times) => times.map((time) => time.getAttribute('datetime')));

describe('a schedule', () => {
  test('is made with a look at when it will be due, and shows its next five times as the API tells them', async () => {
    const page = await newUserAtSchedules();
    await page.getByRole('button', { name: 'New schedule' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('quarterly');
    await page.getByRole('textbox', { name: 'When' }).fill('*/15 * * *');
    await page.getByText('This cannot be read yet.').waitFor();
    await page.getByRole('textbox', { name: 'When' }).fill('*/15 * * * *');
    await page.getByText('Every 15 minutes:').waitFor();
    expect(await shownTimes(page, 'Next due times')).toHaveLength(5);
    await page.getByLabel('Task type').fill('echo');
    await page.getByLabel('Payload').fill('{"n": 1');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Create the schedule' }).click();
    await page.getByText('This is not JSON').waitFor();
    await page.getByLabel('Payload').fill('{"n": 1}');
    await page.getByRole('button', { name: 'Create the schedule' }).click();
    await heading(page, 'quarterly').waitFor();

    const id = new URL(page.url()).pathname.split('/').at(-1);
    const { graphql } = await visitorOf(dashboard, page);
    const { schedule } = await graphql<{ schedule: object }>(
      'query ($id: ID!) { schedule(id: $id) { cron payload nextRuns(count: 5) } }',
      { id },
    );
    const nextRuns = await shownTimes(page, 'Next due times of quarterly');
    expect(schedule).toEqual({ cron: '*/15 * * * *', payload: { n: 1 }, nextRuns });
    await expectAccessible(page);
    expect(dashboard.faults()).toEqual([]);
  });

  test('makes tasks, which show with their state without a reload, and lead to their pages', async () => {
    const page = await newUserAtSchedules();
    const id = await makeSchedule(page, { name: 'each second', cron: '* * * * * *' });
    await page.goto(`/schedules/${id}`);
    await heading(page, 'each second').waitFor();
    await page.evaluate('window.isTheSamePage = true');
    const runs = page.getByRole('link', { name: /^Task of/ });
    const before = await runs.count();
    await expect.poll(() => runs.count(), { timeout: 15_000 }).toBeGreaterThan(before + 2);
    await runs.last().getByText('Completed').waitFor();
    expect(await page.evaluate('window.isTheSamePage')).toBe(true);
    await page.getByRole('button', { name: 'Pause each second' }).click();
    await page.getByText('Paused: nothing is due').waitFor();
    await expectAccessible(page);
    await runs.last().click();
    await page.waitForURL('**/tasks/*');
    expect(dashboard.faults()).toEqual([]);
  });

  test('is paused and resumed in the list, and shows what it made last', async () => {
    const page = await newUserAtSchedules();
    await makeSchedule(page, { name: 'yearly' });
    await page.reload();
    await page.getByText('It has made no task yet.').waitFor();
    await page.getByRole('button', { name: 'Run now: yearly' }).click();
    await page.getByText('“yearly” made a task.').waitFor();
    await page.getByRole('link', { name: 'Last task of yearly' }).getByText('Completed').waitFor();
    await page.getByRole('button', { name: 'Pause yearly' }).click();
    await page.getByText('Paused: nothing is due').waitFor();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Resume yearly' }).click();
    await expect.poll(() => shownTimes(page, 'Next due times of yearly')).toHaveLength(5);
  });

  test('is changed, and deleted once somebody says that they mean it', async () => {
    const page = await newUserAtSchedules();
    const id = await makeSchedule(page, { name: 'old name', tags: ['kept'], maxAttempts: 7 });
    await page.goto(`/schedules/${id}`);
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('new name');
    await page.getByRole('textbox', { name: 'When' }).fill('61 * * * *');
    await page.getByRole('button', { name: 'Save the changes' }).click();
    await expect.poll(() => page.getByRole('textbox', { name: 'When' }).getAttribute('aria-invalid')).toBe('true');
    await page.getByRole('textbox', { name: 'When' }).fill('@daily');
    await page.getByRole('button', { name: 'Save the changes' }).click();
    await heading(page, 'new name').waitFor();
    const { graphql } = await visitorOf(dashboard, page);
    expect(await graphql('query ($id: ID!) { schedule(id: $id) { name cron tags maxAttempts } }', { id })).toEqual({
      schedule: { name: 'new name', cron: '@daily', tags: ['kept'], maxAttempts: 7 },
    });
    await page.getByRole('button', { name: 'Delete new name' }).click();
    await page.getByRole('button', { name: 'Delete the schedule' }).click();
    await page.getByText('No schedules yet').waitFor();
    await page.goto(`/schedules/${id}`);
    await page.getByText('There is no such schedule').waitFor();
    await expectAccessible(page);
  });
});

test('schedules are live: what is done to them in one browser shows in another without a reload', async () => {
  const page = await newUserAtSchedules();
  const list = await openSecondBrowser(dashboard, page, '/schedules');
  await list.getByText('No schedules yet').waitFor();
  const id = await makeSchedule(page, { name: 'shared' });
  await list.getByRole('link', { name: 'shared', exact: true }).waitFor();
  const detail = await openSecondBrowser(dashboard, page, `/schedules/${id}`);
  await heading(detail, 'shared').waitFor();

  const { graphql } = await visitorOf(dashboard, page);
  await graphql('mutation ($id: ID!) { pauseSchedule(id: $id) { id } }', { id });
  for (const each of [list, detail]) await each.getByText('Paused: nothing is due').waitFor();
  await graphql('mutation ($id: ID!) { updateSchedule(id: $id, input: { name: "renamed" }) { id } }', { id });
  await list.getByRole('link', { name: 'renamed', exact: true }).waitFor();
  await heading(detail, 'renamed').waitFor();
  await graphql('mutation ($id: ID!) { deleteSchedule(id: $id) { id } }', { id });
  await list.getByText('No schedules yet').waitFor();
  await detail.getByText('There is no such schedule').waitFor();
  expect(dashboard.faults()).toEqual([]);
});

test('a schedule of somebody else is not there', async () => {
  const id = await makeSchedule(await newUserAtSchedules(), { name: 'private' });
  const other = await dashboard.newUser();
  await other.goto(`/schedules/${id}`);
  await other.getByText('There is no such schedule').waitFor();
});

test('the schedules fit a phone', async () => {
  const page = await newUserAtSchedules({ viewport: { width: 360, height: 740 } });
  const id = await makeSchedule(page, { name: 'on the phone', cron: '30 2 * * MON-FRI', timeZone: 'Europe/Berlin' });
  for (const path of ['/schedules', `/schedules/${id}`]) {
    await page.goto(path);
    await page.getByRole('list', { name: 'Next due times of on the phone' }).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await expectAccessible(page);
  }
});
