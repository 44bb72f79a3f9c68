import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, openDashboard } from '../support/dashboard.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard({ settings: { GRAPHIQL: 'true', INTROSPECTION: 'true' } });
  await Promise.all([dashboard.system.start('manager'), dashboard.system.start('worker')]);
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const open = async (page: Page): Promise<void> => {
  await page.goto('/graphql');
  await page.getByRole('button', { name: 'CreateTask', exact: true }).waitFor();
};

/** Runs the operation of a tab; of several, the one that is named. */
const run = async (page: Page, tab: string, operation?: string): Promise<void> => {
  // By keyboard: tabs that GraphiQL has just drawn still glide, away from under a pointer.
  await page.getByRole('button', { name: tab, exact: true }).press('Enter');
  await page.getByRole('button', { name: /Execute query/ }).click();
  if (operation) await page.getByRole('menuitem', { name: operation }).click();
};

const answer = (page: Page) => page.locator('.graphiql-response');

describe('GraphiQL', () => {
  test('opens with examples that run one after the other: sign up, submit, watch over a WebSocket', async () => {
    // High enough for a whole answer: editors draw only the lines that are in view.
    const page = await dashboard.newBrowser({ viewport: { width: 1280, height: 2000 } });
    const sockets: string[] = [];
    page.on('websocket', (socket) => sockets.push(socket.url()));
    await open(page);
    await run(page, 'SignUp', 'SignUp');
    await answer(page).getByText('"username": "ada"').waitFor();

    await run(page, 'CreateTask');
    await answer(page).getByText('"QUEUED"').waitFor();
    await run(page, 'WatchTask');
    await answer(page).getByText('"PROCESSING"').waitFor();
    await answer(page).getByText('"COMPLETED"').waitFor();
    expect(sockets).toEqual([`${dashboard.url.replace('http', 'ws')}/graphql`]);

    await run(page, 'Task');
    await answer(page).getByText('"seq": 3').waitFor();
    expect(dashboard.faults()).toEqual([]);
  });

  test('runs with the login to the dashboard, and stops a subscription', async () => {
    const page = await dashboard.newUser();
    await open(page);
    const opened = page.waitForEvent('websocket');
    await run(page, 'Statistics');
    const closed = (await opened).waitForEvent('close');
    await answer(page).getByText('"submitted": 0').waitFor();
    await page.getByRole('button', { name: /Stop query/ }).click();
    await closed;
  });

  test('opens again where it was left', async () => {
    const page = await dashboard.newBrowser();
    await open(page);
    await page.getByRole('button', { name: 'Queues', exact: true }).press('Enter');
    const tabs = await page.getByRole('tab').count();
    // GraphiQL stores the tabs half a second later.
    await page.waitForFunction(() => {
      const { tabs: stored, activeTabIndex } = JSON.parse(localStorage.getItem('graphiql:tabState') ?? '{}');
      return stored?.[activeTabIndex].title === 'Queues';
    });
    await page.reload();
    await page.getByRole('tab', { name: 'Queues', selected: true }).waitFor();
    expect(await page.getByRole('tab').count()).toBe(tabs);
  });

  test('says why a subscription did not begin', async () => {
    const page = await dashboard.newBrowser();
    await open(page);
    await run(page, 'Statistics');
    await answer(page).getByText('UNAUTHENTICATED').waitFor();
  });
});
