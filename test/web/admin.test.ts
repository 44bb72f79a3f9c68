import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import { newAdmin, visitorOf } from '../support/visitor.ts';

// axe alone takes ten seconds on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const nameOf = async (page: Page): Promise<string> => {
  const { graphql } = await visitorOf(dashboard, page);
  return (await graphql<{ me: { username: string } }>('{ me { username } }')).me.username;
};

const taskRow = (page: Page, id: string) => page.getByRole('row').filter({ hasText: id.slice(-12) });

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

  test('is live: what anybody does shows without a reload', async () => {
    const page = await newAdmin(dashboard);
    await page.goto('/admin?action=API_KEY_CREATED');
    await page.getByText('Nothing matches').waitFor();
    const user = await dashboard.newUser();
    const { graphql, ownerId } = await visitorOf(dashboard, user);
    await graphql('mutation { createApiKey(input: { name: "seen at once" }) { secret } }');
    await entries(page).filter({ hasText: ownerId }).getByText('Made an API key').waitFor();
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
    // A table that scrolls can be reached by the keyboard, also without anything in it.
    await page.goto('/admin?action=QUEUE_PURGED');
    await page.getByText('Nothing matches').waitFor();
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
  });

  test('are searched for, which stands in the address beside the filter of the log', async () => {
    const page = await newAdmin(dashboard);
    const username = await nameOf(await dashboard.newUser());
    await page.goto('/admin?action=SIGNED_UP');
    await page.getByLabel('Email or username').fill(username);
    const users = page.getByRole('table', { name: 'Users' }).locator('tbody tr');
    await expect.poll(() => users.allTextContents()).toEqual([expect.stringContaining(username)]);
    await expect.poll(() => new URL(page.url()).search).toBe(`?action=SIGNED_UP&user=${username}`);
    await page.reload();
    await expect.poll(() => users.allTextContents()).toEqual([expect.stringContaining(username)]);
    expect(await page.getByLabel('Email or username').inputValue()).toBe(username);
    await page.getByRole('button', { name: 'Clear' }).click();
    await expect.poll(() => new URL(page.url()).search).toBe(`?user=${username}`);

    await page.getByRole('link', { name: username }).click();
    await page.waitForURL(`**/tasks?owner=${username}`);
    await page.getByText('No task matches').waitFor();
  });
});

describe('the list of tasks', () => {
  test('is filtered by the owner for an admin, and is live for theirs; the name stands in the address', async () => {
    const user = await dashboard.newUser();
    const { submit } = await visitorOf(dashboard, user);
    const [username, id] = [await nameOf(user), await submit({ type: 'echo' })];
    const others = await (await visitorOf(dashboard, await dashboard.newUser())).submit({ type: 'echo' });
    const page = await newAdmin(dashboard);
    await page.goto('/tasks');
    await taskRow(page, others).waitFor();
    await page.getByLabel('Owner').fill(username);
    await page.getByLabel('Owner').press('Enter');
    await page.waitForURL(`**/tasks?owner=${username}`);
    await taskRow(page, id).waitFor();
    expect(await taskRow(page, others).count()).toBe(0);
    await expectAccessible(page);

    const next = await submit({ type: 'echo' });
    await taskRow(page, next).getByText('Queued').waitFor();
    await page.reload();
    await taskRow(page, next).waitFor();
    expect(await page.getByLabel('Owner').inputValue()).toBe(username);
    await page.goto(`/tasks?owner=${(await visitorOf(dashboard, user)).ownerId}`);
    await taskRow(page, id).waitFor();
    expect(dashboard.faults()).toEqual([]);
  });

  test('offers names to choose from, and says that there is no such user', async () => {
    const username = await nameOf(await dashboard.newUser());
    const page = await newAdmin(dashboard);
    await page.goto('/tasks');
    await page.getByLabel('Owner').fill(username.toUpperCase());
    await page.locator(`datalist option[value="${username}"]`).waitFor({ state: 'attached' });
    await page.getByLabel('Owner').fill(`${username} who`);
    await page.getByLabel('Owner').press('Enter');
    await page.getByText(`There is no user “${username} who”`).waitFor();
    await expectAccessible(page);
  });

  test('has no owners for others, whatever the address says', async () => {
    const page = await dashboard.newUser();
    await page.goto(`/tasks?owner=${await nameOf(await dashboard.newUser())}`);
    await page.getByText('No tasks yet').waitFor();
    expect(await page.getByLabel('Owner').count()).toBe(0);
  });
});
