import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard, PASSWORD } from '../support/dashboard.ts';
import { makeEndedTasks } from '../support/many-tasks.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
  await dashboard.system.start('worker');
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

/** On the list of tasks, as the user of the system, who has the token that tests submit with. */
const openTasks = async (address = '/tasks', options = {}): Promise<Page> => {
  const page = await dashboard.newBrowser(options);
  await logInAsOwner(page, address);
  return page;
};
