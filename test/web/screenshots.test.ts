import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { type Dashboard, openAsSystemUser, openDashboard } from '../support/dashboard.ts';
import { waitFor } from '../support/setup.ts';
import { newAdmin } from '../support/visitor.ts';

// `SCREENSHOTS=docs/images npm test -- test/web/screenshots.test.ts` writes the pictures of the README anew.
const FOLDER = process.env.SCREENSHOTS;

const FLOW = 'mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id } }';
const SCHEDULE = 'mutation ($input: CreateScheduleInput!) { createSchedule(input: $input) { id } }';
const KEY = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }';

/** What a user of some days has: tasks in every state, a flow, a schedule and a key. */
const fill = async ({ system }: Dashboard): Promise<{ failedId: string; flowId: string }> => {
  const [failedId = ''] = await system.submit(
    1,
    'fail',
    { message: 'The printer is out of paper' },
    {
      maxAttempts: 3,
      backoff: { kind: 'FIXED', delayMs: 200 },
      tags: ['invoices'],
    },
  );
  await system.submit(120, 'sleep', { ms: 40 }, { tags: ['reports'] });
  await system.submit(60, 'echo', { order: 4711, lines: [{ article: 'tea', count: 3 }] }, { queue: 'mail' });
  await system.submit(5, 'echo', { n: 1 }, { runAt: new Date(Date.now() + 3_600_000).toISOString() });
  const { createFlow } = await system.graphql<{ createFlow: { id: string } }>(FLOW, {
    input: {
      name: 'nightly report',
      tasks: [
        { name: 'fetch', type: 'echo' },
        { name: 'profile', type: 'echo', dependsOn: ['fetch'] },
        { name: 'archive', type: 'sleep', payload: { ms: 60_000 }, dependsOn: ['fetch'] },
        { name: 'report', type: 'echo', dependsOn: ['profile', 'archive'] },
      ],
    },
  });
  await system.graphql(SCHEDULE, {
    input: { name: 'morning mail', cron: '0 8 * * 1-5', timeZone: 'Europe/Berlin', type: 'echo', payload: { n: 1 } },
  });
  await system.graphql(KEY, { input: { name: 'shop', scopes: ['TASKS_WRITE', 'TASKS_READ'] } });
  await waitFor(async () => (await system.countByStatus()).FAILED === 1, { what: 'a task has failed' });
  await waitFor(async () => ((await system.countByStatus()).COMPLETED ?? 0) > 150, { what: 'most have completed' });
  return { failedId, flowId: createFlow.id };
};

/** @param before is called on the page, for what shall be in its picture */
const shoot = async (page: Page, name: string, path: string, before?: () => Promise<void>): Promise<void> => {
  await page.goto(path);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.waitForLoadState('networkidle');
  expect(await page.getByRole('alert').count(), `alerts on ${path}`).toBe(0);
  if (!FOLDER) return;
  await before?.();
  mkdirSync(FOLDER, { recursive: true });
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
};

/** Something for the moving plots: a dozen seconds of it. */
const someTraffic = async ({ system }: Dashboard): Promise<void> => {
  for (let n = 0; n < 30; n++) {
    await system.submit(20 + 15 * (n % 4), 'sleep', { ms: 20 + 30 * (n % 3) });
    await delay(400);
  }
};

test('every page shows what a busy account has, without a fault', { timeout: 120_000 }, async () => {
  await using dashboard = await openDashboard();
  await dashboard.system.start('manager');
  await dashboard.system.start('worker');
  const { failedId, flowId } = await fill(dashboard);
  const page = await openAsSystemUser(dashboard, {
    viewport: { width: 1_280, height: 800 },
    reducedMotion: 'reduce',
  });
  await dashboard.system.submit(400, 'sleep', { ms: 150 }, { tags: ['reports'] });
  const pages = {
    tasks: '/tasks',
    task: `/tasks/${failedId}`,
    submit: '/submit?type=http.request',
    workers: '/workers',
    flows: '/flows',
    flow: `/flows/${flowId}`,
    schedules: '/schedules',
    keys: '/keys',
    account: '/account',
  };
  // A stack names folders of the machine that it was made on.
  const hideStack = () => page.getByText('Stack', { exact: true }).click();
  for (const [name, path] of Object.entries(pages))
    await shoot(page, name, path, name === 'task' ? hideStack : undefined);
  await shoot(await newAdmin(dashboard), 'admin', '/admin');
  await shoot(page, 'overview', '/', () => someTraffic(dashboard));
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot(page, 'task-dark', pages.task, hideStack);
  await page.setViewportSize({ width: 390, height: 800 });
  await shoot(page, 'tasks-phone', pages.tasks);
  expect(dashboard.faults()).toEqual([]);
});
