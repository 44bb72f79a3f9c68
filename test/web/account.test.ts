import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, logIn, openDashboard, PASSWORD } from '../support/dashboard.ts';
import { openSecondBrowser } from '../support/visitor.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });

const newUserAtAccount = async (options = {}): Promise<{ page: Page; username: string }> => {
  const page = await dashboard.newUser(options);
  await page.goto('/account');
  const username = (await page.locator('dd').first().textContent()) ?? '';
  return { page, username };
};

describe('the account', () => {
  test('gets another password, which ends the logins in other browsers', async () => {
    const { page, username } = await newUserAtAccount();
    const other = await openSecondBrowser(dashboard, page, '/account');
    await other.getByText('Live', { exact: true }).waitFor();
    await page.getByLabel('Present password').fill('not this one');
    await page.getByLabel('New password').fill('another password');
    await page.getByRole('button', { name: 'Change the password' }).click();
    await expect.poll(() => page.getByLabel('Present password').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Present password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Change the password' }).click();
    await page.getByText('The password is changed. All other logins have ended.').waitFor();
    expect(await page.getByLabel('New password').inputValue()).toBe('');
    await other.getByText('Your login has ended.').waitFor();

    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    await logIn(other, username, 'another password');
    await heading(other, 'Account').waitFor();
    await expectAccessible(page);
    expect(dashboard.faults()).toEqual([]);
  });

  test('shows its sessions in all browsers, and one ends that of another, which is logged out without reloading', async () => {
    const { page, username } = await newUserAtAccount();
    const sessions = (browser: Page) => browser.getByRole('table', { name: 'Sessions' }).locator('tbody tr');
    await sessions(page).filter({ hasText: '(this one)' }).waitFor();
    expect(await sessions(page).count()).toBe(1);

    const other = await dashboard.newBrowser({ userAgent: 'A browser elsewhere' });
    await other.goto('/login');
    await logIn(other, username);
    await other.getByRole('link', { name: 'Account' }).click();
    const elsewhere = sessions(page).filter({ hasText: 'A browser elsewhere' });
    await elsewhere.waitFor();
    await sessions(other).filter({ hasText: 'A browser elsewhere' }).filter({ hasText: '(this one)' }).waitFor();
    expect(await sessions(page).count()).toBe(2);

    await elsewhere.getByRole('button', { name: 'End' }).click();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'End the session' }).click();
    await other.getByText('Your login has ended.').waitFor();
    await elsewhere.waitFor({ state: 'detached' });
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Log out here' }).click();
    await page.getByText('You are logged out.').waitFor();
    expect(dashboard.faults()).toEqual([]);
  }, 60_000);

  test('is deleted with its password, and cannot be logged in to any more', async () => {
    const { page, username } = await newUserAtAccount();
    await page.getByRole('button', { name: 'Delete the account' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Password').fill('not this one');
    await dialog.getByRole('button', { name: 'Delete it for good' }).click();
    await expect.poll(() => dialog.getByLabel('Password').getAttribute('aria-invalid')).toBe('true');
    await expectAccessible(page);
    await dialog.getByLabel('Password').fill(PASSWORD);
    await dialog.getByRole('button', { name: 'Delete it for good' }).click();
    await heading(page, 'Log in').waitFor();
    await logIn(page, username);
    await page.getByText('The email, username or password is wrong.').waitFor();
  });

  test('fits a phone', async () => {
    const { page } = await newUserAtAccount({ viewport: { width: 360, height: 740 } });
    await page.getByRole('table', { name: 'Sessions' }).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await expectAccessible(page);
  });
});
