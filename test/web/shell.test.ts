import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

describe('the shell', () => {
  test('is used by keyboard alone', async () => {
    const page = await dashboard.newUser();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');

    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog').count()).toBe(0);

    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('log o');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Log in' }).waitFor();
  });

  test('changes its look, and keeps it', async () => {
    const page = await dashboard.newUser();
    const look = () => page.locator('html').getAttribute('data-theme');
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(look).toBe('dark');
    await page.getByRole('button', { name: 'Look: as the system' }).click();
    await expect.poll(look).toBe('light');
    await page.reload();
    await expect.poll(look).toBe('light');
  });

  test('fits a phone: nothing scrolls sideways, and the menu opens', async () => {
    const page = await dashboard.newUser({ viewport: { width: 360, height: 740 } });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('link', { name: 'Overview' }).click();
    expect(await page.getByRole('button', { name: 'Menu' }).getAttribute('aria-expanded')).toBe('false');
    await expectAccessible(page);
  });

  test('says when there is no such page', async () => {
    const page = await dashboard.newUser();
    await page.goto('/tasks/x/y/z');
    await page.getByText('Nothing is at this address').waitFor();
    await expectAccessible(page);
  });
});
