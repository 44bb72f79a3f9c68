import { expect, test } from 'vitest';
import { openDashboard } from '../support/dashboard.ts';

test('a cut connection shows, and is opened again by itself', async () => {
  await using dashboard = await openDashboard();
  const page = await dashboard.newUser();
  await page.getByText('Live', { exact: true }).waitFor();
  await dashboard.system.api.kill('SIGKILL');
  await page.getByText('The connection to the api is cut.').waitFor();
  await page.getByText('Not connected').waitFor();
  await dashboard.system.start('api');
  await page.getByText('Live', { exact: true }).waitFor();
  expect(await page.getByText('The connection to the api is cut.').count()).toBe(0);
  expect(dashboard.faults()).toEqual([]);
}, 120_000);
