import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import { makeEndedTasks } from '../support/many-tasks.ts';
import { openSecondBrowser, type Visitor, visitorOf } from '../support/visitor.ts';

/** For what the page does by itself, on a machine that is busy. */
const WITHIN = { timeout: 15_000 };
/** So many tasks are made within DATABASE_TIMEOUT_MS. */
const CHUNK = 5_000;

// axe alone takes ten seconds on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const rowOf = (page: Page, id: string) => page.getByRole('row').filter({ hasText: id.slice(-12) });
const rows = (page: Page) => page.locator('[role=rowgroup] > [role=row]');

/** A new user's list, and the user. */
const openList = async (options = {}): Promise<{ page: Page; visitor: Visitor }> => {
  const page = await dashboard.newUser(options);
  await page.goto('/tasks');
  await page.getByText('No tasks yet').waitFor();
  await page.getByText('Live', { exact: true }).waitFor({ state: 'attached' });
  return { page, visitor: await visitorOf(dashboard, page) };
};

describe('the list of tasks', () => {
  test('shows a new task at once, and how it comes to its end, without a reload', async () => {
    const { page, visitor } = await openList();
    await page.evaluate('window.isTheSamePage = true');
    const id = await visitor.submit({ type: 'sleep', payload: { ms: 2_000 } });
    const row = rowOf(page, id);
    await row.getByText('Queued').waitFor();
    const worker = await dashboard.system.start('worker');
    await row.getByText('Processing').waitFor();
    await row.getByText('Completed').waitFor();
    expect(await page.evaluate('window.isTheSamePage')).toBe(true);
    expect(dashboard.faults()).toEqual([]);
    await worker.kill('SIGTERM');
  });

  test('does not move rows while somebody is at them', async () => {
    const { page, visitor } = await openList();
    const first = await visitor.submit({ type: 'echo', payload: 1 });
    await rowOf(page, first).focus();
    const second = await visitor.submit({ type: 'echo', payload: 2 });
    await page.getByRole('button', { name: 'Show 1 new task' }).click();
    await expect.poll(() => rows(page).allInnerTexts(), WITHIN).toHaveLength(2);
    expect(await rows(page).first().textContent()).toContain(second.slice(-12));
  });

  test('shows in one browser what was done in another', async () => {
    const { page, visitor } = await openList();
    const other = await openSecondBrowser(dashboard, page, '/tasks');
    const id = await visitor.submit({ type: 'echo', payload: 1 });
    await rowOf(other, id).getByText('Queued').waitFor();
    await visitor.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id });
    for (const each of [page, other]) await rowOf(each, id).getByText('Cancelled').waitFor();
  });

  test('says what is wrong with a filter, and shows all again', async () => {
    const { page } = await openList();
    await page.goto('/tasks?queue=NOT%20A%20QUEUE');
    await page.getByRole('alert').getByText('must match').waitFor();
    await page.goto('/tasks?type=nothing');
    await page.getByText('No task matches').waitFor();
    await expectAccessible(page);
    await page.getByRole('link', { name: 'Show all tasks' }).click();
    await page.getByText('No tasks yet').waitFor();
    await expectAccessible(page);
  });
});

/** Of the query for a page of the list. */
interface Variables {
  after: string | null;
  where: { ids?: string[] };
}

describe('a hundred thousand tasks', () => {
  test('scroll page by page, with few rows in the document', async () => {
    const { page, visitor } = await openList();
    const { app } = dashboard.system;
    for (let made = 0; made < 100_000; made += CHUNK) {
      await makeEndedTasks(app, { ownerId: visitor.ownerId, count: CHUNK, status: 'COMPLETED' });
    }
    let pages: Variables[] = [];
    page.on('websocket', (socket) =>
      socket.on('framesent', ({ payload }) => {
        if (String(payload).includes('query TasksPage')) pages.push(JSON.parse(String(payload)).payload.variables);
      }),
    );
    await page.goto('/tasks');
    await rows(page).first().waitFor();
    pages = [];
    await rows(page).first().focus();
    for (let reached = 0; reached < 2_600; ) {
      await page.keyboard.press('End');
      await expect.poll(async () => lastIndex(page), WITHIN).toBeGreaterThan(reached);
      reached = await lastIndex(page);
      expect(await rows(page).count()).toBeLessThan(100);
    }
    // Each page began after the last one; none was counted off from the start.
    const cursors = pages.map(({ after }) => after);
    expect(cursors.length).toBeGreaterThanOrEqual(12);
    expect(new Set(cursors).size).toBe(cursors.length);
    expect(cursors).not.toContain(null);
    // What was in the first rows has been dropped by now, and comes back when they are looked at.
    await page.keyboard.press('Home');
    await page.locator('[role=row][aria-rowindex="2"]').getByText('Completed').waitFor();
    expect(pages.map(({ where }) => where.ids?.length).filter(Boolean)).toEqual([expect.any(Number)]);
    expect(dashboard.faults()).toEqual([]);
  });
});

const lastIndex = async (page: Page): Promise<number> => Number(await rows(page).last().getAttribute('aria-rowindex'));

describe('filters', () => {
  test('stand in the address, and stay over a reload and going back and forward', async () => {
    const { page, visitor } = await openList();
    const wanted = await visitor.submit({ type: 'echo', payload: { customer: { country: 'CH' } }, tags: ['vip'] });
    const other = await visitor.submit({ type: 'echo', payload: { customer: { country: 'DE' } } });
    await page.goto('/tasks');
    await rowOf(page, other).waitFor();

    await page.getByLabel('Tags').fill('vip');
    await page.getByLabel('Tags').press('Enter');
    await expect.poll(() => rows(page).count(), WITHIN).toBe(1);
    expect(new URL(page.url()).search).toBe('?tag=vip');

    await page.getByText('Time and payload').click();
    await page.getByLabel('Place in the payload').fill('customer.country');
    await page.getByLabel('What stands there').fill('"DE"');
    await page.getByLabel('What stands there').press('Enter');
    await page.getByText('No task matches').waitFor();

    await page.goBack();
    await page.goBack();
    await rowOf(page, wanted).waitFor();
    expect(new URL(page.url()).search).toBe('?tag=vip');
    await page.reload();
    await rowOf(page, wanted).waitFor();
    expect(await page.getByLabel('Tags').inputValue()).toBe('vip');
    await page.goForward();
    await page.goForward();
    await page.getByText('No task matches').waitFor();

    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await rowOf(page, other).waitFor();
    expect(await page.getByLabel('Tags').inputValue()).toBe('');
  });

  test('by status keep a task that was shown, and take in one that comes to match', async () => {
    const { page, visitor } = await openList();
    const id = await visitor.submit({ type: 'echo', payload: 1 });
    await page.goto('/tasks');
    await page.getByRole('checkbox', { name: 'Cancelled' }).check();
    await page.getByText('No task matches').waitFor();
    await visitor.graphql('mutation ($id: ID!) { cancelTask(id: $id) { id } }', { id });
    await rowOf(page, id).getByText('Cancelled').waitFor();
    await visitor.graphql('mutation ($id: ID!) { retryTask(id: $id) { id } }', { id });
    await rowOf(page, id).getByText('Queued').waitFor();
  });
});

describe('the keyboard', () => {
  test('moves, selects one and many, and opens', async () => {
    const { page, visitor } = await openList();
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.unshift(await visitor.submit({ type: 'echo', payload: i }));
    await page.goto('/tasks');
    await rowOf(page, ids[3] ?? '').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    await page.keyboard.press('j');
    await page.keyboard.press('Shift+J');
    await page.keyboard.press('Shift+J');
    const selected = () => page.locator('[role=row][aria-selected=true]').count();
    expect(await selected()).toBe(4);
    await page.keyboard.press('k');
    await page.keyboard.press('x');
    expect(await selected()).toBe(3);
    await expectAccessible(page);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/tasks/${ids[2]}`);
  });

  test('is not needed: the mouse selects with Shift, too', async () => {
    const { page, visitor } = await openList();
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.unshift(await visitor.submit({ type: 'echo', payload: i }));
    await page.goto('/tasks');
    await rowOf(page, ids[0] ?? '')
      .getByRole('checkbox')
      .click();
    await rowOf(page, ids[2] ?? '')
      .getByRole('checkbox')
      .click({ modifiers: ['Shift'] });
    expect(await page.locator('[role=row][aria-selected=true]').count()).toBe(3);
  });
});

test('on a phone, rows are cards', async () => {
  const { page, visitor } = await openList({ viewport: { width: 360, height: 740 } });
  const id = await visitor.submit({ type: 'echo', payload: 1, tags: ['a-tag'] });
  await rowOf(page, id).getByText('Queued').waitFor();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  expect((await rowOf(page, id).boundingBox())?.width).toBeLessThanOrEqual(360);
  await expectAccessible(page);
});

describe('many tasks at once', () => {
  test('are cancelled by the filter, after a dry run that changes nothing', async () => {
    const { page, visitor } = await openList();
    const wanted: string[] = [];
    for (let i = 0; i < 3; i++) wanted.push(await visitor.submit({ type: 'echo', payload: i, tags: ['bulk'] }));
    const other = await visitor.submit({ type: 'echo', payload: 3 });
    await page.goto('/tasks?tag=bulk');
    await page.getByRole('button', { name: 'Cancel …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Cancel all that match' });
    await dialog.getByText('3 tasks would be cancelled').waitFor();
    await expectAccessible(page);
    for (const id of wanted) await expect(visitor.statusOf(id)).resolves.toBe('QUEUED');

    await dialog.getByLabel('Reason').fill('not needed');
    await dialog.getByRole('button', { name: 'Cancel 3 tasks' }).click();
    await dialog.getByText('Done. 3 tasks cancelled.').waitFor();
    await dialog.getByRole('button', { name: 'Close', exact: true }).last().click();
    for (const id of wanted) await rowOf(page, id).getByText('Cancelled').waitFor();
    await expect(visitor.statusOf(other)).resolves.toBe('QUEUED');
  });

  test('are deleted as they were selected, and leave the list', async () => {
    const { page, visitor } = await openList();
    const ended = await makeEndedTasks(dashboard.system.app, {
      ownerId: visitor.ownerId,
      count: 3,
      status: 'COMPLETED',
    });
    await page.goto('/tasks');
    await rowOf(page, ended[0] ?? '')
      .getByRole('checkbox')
      .click();
    await rowOf(page, ended[1] ?? '')
      .getByRole('checkbox')
      .click();
    await page.getByRole('button', { name: 'Delete …' }).click();
    await page.getByRole('button', { name: 'Delete 2 tasks' }).click();
    await page.getByText('Done. 2 tasks deleted.').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => rows(page).count(), WITHIN).toBe(1);
    await rowOf(page, ended[2] ?? '').waitFor();
  });

  test('are left alone when nothing of them can be done', async () => {
    const { page, visitor } = await openList();
    await makeEndedTasks(dashboard.system.app, { ownerId: visitor.ownerId, count: 2, status: 'COMPLETED' });
    await page.goto('/tasks');
    await page.getByRole('button', { name: 'Retry …' }).click();
    await page.getByText('2 tasks would be left as they are').waitFor();
    expect(await page.getByRole('button', { name: 'Retry 0 tasks' }).isDisabled()).toBe(true);
  });
});
