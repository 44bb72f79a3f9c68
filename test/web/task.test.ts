import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import { openSecondBrowser, type Visitor, visitorOf } from '../support/visitor.ts';

const TASKS = fileURLToPath(new URL('./tasks/', import.meta.url));

/** For what the page does by itself, on a machine that is busy. */
const WITHIN = { timeout: 15_000 };

/** What the tests ask of an element: Node has no types of the page's. */
interface Scrolled {
  scrollTop: number;
  scrollHeight: number;
  clientHeight: number;
}

// axe alone takes ten seconds on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
  await dashboard.system.start('worker', { WORKER_TASKS: TASKS });
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const openUser = async (options = {}): Promise<{ page: Page; visitor: Visitor }> => {
  const page = await dashboard.newUser(options);
  return { page, visitor: await visitorOf(dashboard, page) };
};

const state = (page: Page) => page.getByRole('main').getByRole('status').first();
const timeline = (page: Page) => page.getByRole('region', { name: 'Timeline' });

describe('the page of a task', () => {
  test('shows its transitions, its progress and its result as they come', async () => {
    const { page, visitor } = await openUser();
    const id = await visitor.submit({ type: 'sleep', payload: { ms: 3_000, steps: 30 }, tags: ['nap'] });
    await page.goto(`/tasks/${id}`);
    await page.getByRole('progressbar', { name: 'Progress' }).waitFor();
    await state(page).getByText('Completed').waitFor();
    await page.getByRole('region', { name: 'Result' }).getByText('3000').waitFor();
    const rows = await timeline(page).getByRole('listitem').allTextContents();
    expect(rows.map((row) => row.split(/ ?after|attempt/)[0])).toEqual(['Queued', 'Processing', 'Completed']);
    expect(rows[1]).toMatch(/attempt 1after .* for [34]\.\d s/);
    await page.getByRole('link', { name: 'nap' }).click();
    await page.waitForURL('**/tasks?tag=nap');
    expect(dashboard.faults()).toEqual([]);
  });

  test('shows why it failed and what was tried; it can be retried, also in another browser', async () => {
    const { page, visitor } = await openUser();
    const input = { type: 'fail', payload: { message: 'it is broken' }, maxAttempts: 2 };
    const id = await visitor.submit({ ...input, backoff: { kind: 'FIXED', delayMs: 1 } });
    await page.goto(`/tasks/${id}`);
    await state(page).getByText('Failed').waitFor();
    await page.getByRole('region', { name: 'Error' }).getByText('it is broken').first().waitFor();
    await page.getByRole('region', { name: 'Stack' }).getByText('fail.ts').first().waitFor();
    await timeline(page).getByText('attempt 2').first().waitFor();
    await expectAccessible(page);

    const other = await openSecondBrowser(dashboard, page, `/tasks/${id}`);
    await other.getByRole('button', { name: 'Retry' }).click();
    await other.getByRole('button', { name: 'Retry the task' }).click();
    // Both see both of the further attempts.
    for (const each of [page, other]) {
      await expect.poll(() => timeline(each).getByText('Failed').count(), WITHIN).toBe(2);
      await state(each).getByText('Failed').waitFor();
    }
    expect(dashboard.faults()).toEqual([]);
  });

  test('cancels a running task, with a reason', async () => {
    const { page, visitor } = await openUser();
    const id = await visitor.submit({ type: 'sleep', payload: { ms: 600_000 } });
    await page.goto(`/tasks/${id}`);
    await state(page).getByText('Processing').waitFor();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByLabel('Reason').fill('changed my mind');
    await page.getByRole('button', { name: 'Cancel the task' }).click();
    await state(page).getByText('Cancelled').waitFor();
    await page.getByText('changed my mind').first().waitFor();
  });

  test('deletes it, and says so where it was', async () => {
    const { page, visitor } = await openUser();
    const id = await visitor.submit({ type: 'echo', payload: 1 });
    await page.goto(`/tasks/${id}`);
    await state(page).getByText('Completed').waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete 1 task' }).click();
    await page.getByText('Done. 1 task deleted.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { level: 1, name: 'Tasks' }).waitFor();
    await page.goto(`/tasks/${id}`);
    await page.getByText('There is no such task').waitFor();
    await expectAccessible(page);
  });

  test('says why it waits, and shows both ends of a dependency as they go on', async () => {
    const { page, visitor } = await openUser();
    const first = await visitor.submit({ type: 'echo', payload: 1, runAt: new Date(Date.now() + 3_600_000) });
    const second = await visitor.submit({ type: 'echo', payload: 2, dependsOn: [first] });
    await page.goto(`/tasks/${second}`);
    await page.getByText('Tasks that it depends on have not ended').waitFor();
    const waitsFor = page.getByRole('region', { name: 'Waits for' });
    await waitsFor.getByText('Scheduled').waitFor();
    await visitor.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id: first });
    await waitsFor.getByText('Cancelled').waitFor();
    await state(page).getByText('Cancelled').waitFor();
    await waitsFor.getByRole('link').click();
    await page.getByRole('region', { name: 'Awaited by' }).getByText('Cancelled').waitFor();
  });

  test('fits a phone', async () => {
    const { page, visitor } = await openUser({ viewport: { width: 360, height: 740 } });
    const id = await visitor.submit({ type: 'echo', payload: { long: 'x'.repeat(500) } });
    await page.goto(`/tasks/${id}`);
    await state(page).getByText('Completed').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await expectAccessible(page);
  });
});

test('the curl line submits the same task again', async () => {
  const { page, visitor } = await openUser();
  const payload = { text: `it's "quoted" $HOME \\ and so on` };
  const id = await visitor.submit({ type: 'echo', payload, tags: ['again'], maxAttempts: 7 });
  await page.goto(`/tasks/${id}`);
  const curl = await page.getByRole('region', { name: 'curl' }).textContent();
  expect(await page.getByRole('region', { name: 'GraphQL' }).textContent()).toContain('createTask(input: $input)');

  const create = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }';
  const key = await visitor.graphql<{ createApiKey: { secret: string } }>(create, {
    input: { name: 'shell', scopes: ['TASKS_WRITE', 'TASKS_READ'] },
  });
  const env = { ...process.env, TASKFLOW_API_KEY: key.createApiKey.secret };
  const { stdout } = await promisify(execFile)('sh', ['-c', curl ?? ''], { env });
  const again: string = JSON.parse(stdout).data.createTask.id;
  const query = 'query ($id: ID!) { task(id: $id) { type payload tags maxAttempts queue } }';
  expect(await visitor.graphql(query, { id: again })).toEqual(await visitor.graphql(query, { id }));
});

describe('logs', () => {
  test('follow what a handler says, stand still when somebody scrolls up, and reach back', async () => {
    const { page, visitor } = await openUser();
    const id = await visitor.submit({ type: 'talk', payload: { first: 300 } });
    const query = 'query ($id: ID!) { task(id: $id) { logs(last: 1) { edges { node { message } } } } }';
    await expect.poll(async () => JSON.stringify(await visitor.graphql(query, { id })), WITHIN).toContain('then');
    await page.goto(`/tasks/${id}`);
    const log = page.getByRole('log');
    await expect.poll(() => distanceFromEnd(log), WITHIN).toBeLessThan(30);
    const seen = await lastLine(log);
    await expect.poll(() => lastLine(log), WITHIN).not.toBe(seen);
    await expect.poll(() => distanceFromEnd(log), WITHIN).toBeLessThan(30);

    await log.hover();
    await page.mouse.wheel(0, -2_000);
    const follow = page.getByRole('button', { name: 'Follow' });
    await follow.waitFor();
    // The button appears with the first of the wheel's steps.
    await expect.poll(() => distanceFromEnd(log), WITHIN).toBeGreaterThan(500);
    const stopped = await lastLine(log);
    await expect.poll(() => lastLine(log), WITHIN).not.toBe(stopped);
    expect(await distanceFromEnd(log)).toBeGreaterThan(500);
    await expectAccessible(page);

    const earlier = page.getByRole('button', { name: 'Earlier lines' });
    for (let first = await firstLine(log); first !== 'first 1'; first = await firstLine(log)) {
      await earlier.click();
      await expect.poll(() => firstLine(log), WITHIN).not.toBe(first);
    }
    expect(await earlier.count()).toBe(0);
    await follow.click();
    await expect.poll(() => distanceFromEnd(log), WITHIN).toBeLessThan(30);

    // None is missing, none came twice.
    await visitor.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id });
    await state(page).getByText('Cancelled').waitFor();
    const numbers = (await messages(log).allTextContents()).map((text) => text.split(' ')[1]);
    expect(numbers).toEqual(numbers.map((_number, i) => String(i + 1)));
    expect(dashboard.faults()).toEqual([]);
  });
});

const distanceFromEnd = (log: Locator): Promise<number> =>
  log.evaluate((box: Scrolled) => box.scrollHeight - box.scrollTop - box.clientHeight);

const messages = (log: Locator): Locator => log.locator('time ~ span:nth-child(3)');
const firstLine = (log: Locator): Promise<string | null> => messages(log).first().textContent();
const lastLine = (log: Locator): Promise<string | null> => messages(log).last().textContent();
