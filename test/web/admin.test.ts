import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import { newAdmin, visitorOf } from '../support/visitor.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const entries = (page: Page) => page.getByRole('table', { name: 'Audit log' }).locator('tbody tr');

describe('the audit log', () => {
  test('is there for admins, and not for users', async () => {
    const page = await newAdmin(dashboard);
    await page.getByRole('link', { name: 'Admin' }).click();
    await entries(page).filter({ hasText: 'Logged in' }).first().waitFor();
    await expectAccessible(page);

    const user = await dashboard.newUser();
    expect(await user.getByRole('link', { name: 'Admin' }).count()).toBe(0);
    await user.goto('/admin');
    await user.getByText('Nothing is at this address').waitFor();
    expect(dashboard.faults()).toEqual([]);
  });

  test('is filtered, and the filter stands in the address', async () => {
    const page = await newAdmin(dashboard);
    const { graphql, ownerId } = await visitorOf(dashboard, page);
    await graphql('mutation { createApiKey(input: { name: "made by an admin" }) { secret } }');
    await page.goto('/admin');
    await page.getByLabel('What was done').selectOption('Made an API key');
    await page.getByLabel('By the user').fill(ownerId);
    await page.getByRole('button', { name: 'Filter', exact: true }).click();
    await expect.poll(() => entries(page).allTextContents()).toEqual([expect.stringContaining('You')]);
    expect(new URL(page.url()).searchParams.get('action')).toBe('API_KEY_CREATED');

    await page.reload();
    await expect.poll(() => entries(page).count()).toBe(1);
    expect(await page.getByLabel('By the user').inputValue()).toBe(ownerId);
    await page.getByLabel('Before').fill('2020-01-01T00:00');
    await page.getByRole('button', { name: 'Filter', exact: true }).click();
    await page.getByText('Nothing matches').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await entries(page).nth(1).waitFor();
  });

  test('says that an id is none, and shows what somebody did at a press on their name', async () => {
    const page = await newAdmin(dashboard);
    await page.goto('/admin?actorId=nobody');
    await page.getByText('where.actorId must be a UUID.').waitFor();
    await page.goto('/admin');
    await entries(page).getByRole('button', { name: 'You' }).first().click();
    await expect.poll(() => entries(page).count()).toBe(2);
  });

  test('has any number of pages', async () => {
    const page = await newAdmin(dashboard);
    const action = 'QUEUE_PAUSED';
    await dashboard.system.app.database.auditEntry.createMany({
      data: Array.from({ length: 150 }, (_, index) => ({
        id: `0198a000-0000-7000-8000-${String(index).padStart(12, '0')}`,
        at: new Date('2026-01-01'),
        action,
        target: `queue-${index}`,
        count: 1,
      })),
    });
    await page.goto(`/admin?action=${action}`);
    await page.getByRole('button', { name: 'Show more entries' }).click();
    await expect.poll(() => entries(page).count()).toBe(150);
    expect(await entries(page).last().textContent()).toContain('queue-0');
  });

  test('fits a phone', async () => {
    const page = await newAdmin(dashboard, { viewport: { width: 360, height: 740 } });
    await page.goto('/admin');
    await entries(page).first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await expectAccessible(page);
  });
});

describe('the users', () => {
  test('are locked and let in again, and another admin sees it without reloading', async () => {
    const page = await newAdmin(dashboard);
    const other = await newAdmin(dashboard);
    const user = await dashboard.newUser();
    const { ownerId } = await visitorOf(dashboard, user);
    const { username } = await dashboard.system.app.database.user.findUniqueOrThrow({ where: { id: ownerId } });
    for (const admin of [page, other]) {
      await admin.goto('/admin');
      await admin.getByLabel('Email or username').fill(username);
    }
    const row = (admin: Page) =>
      admin.getByRole('table', { name: 'Users' }).getByRole('row').filter({ hasText: username });
    await page.getByRole('button', { name: `Lock ${username}`, exact: true }).click();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Lock the user' }).click();
    for (const admin of [page, other]) await row(admin).filter({ hasText: 'User, locked' }).waitFor();
    await user.getByRole('button', { name: 'Log in' }).waitFor();

    await other.getByRole('button', { name: `Unlock ${username}` }).click();
    await other.getByRole('button', { name: 'Unlock the user' }).click();
    await page.getByRole('button', { name: `Lock ${username}`, exact: true }).waitFor();
    await page.getByRole('button', { name: `Promote ${username}` }).click();
    await page.getByRole('button', { name: 'Make an admin', exact: true }).click();
    await row(other).filter({ hasText: 'Admin' }).waitFor();
    await expectAccessible(other);
    expect(dashboard.faults()).toEqual([]);
  }, 60_000);
});
