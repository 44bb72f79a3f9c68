import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../src/local/free-port.ts';
import { request } from '../../src/local/graphql-client.ts';
import { type Dashboard, openDashboard } from '../support/dashboard.ts';

vi.setConfig({ testTimeout: 120_000 });

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
  await dashboard.system.start('worker');
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const CREATE = 'mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id } }';

test('queries and subscriptions go over one socket, and do not use up what a user may submit', async () => {
  const page = await dashboard.newBrowser();
  const asked: string[] = [];
  const sockets: string[] = [];
  page.on('request', (sent) => sent.postData() && asked.push(JSON.parse(sent.postData() ?? '').query));
  page.on('websocket', (socket) => sockets.push(socket.url()));
  await page.goto('/sign-up');
  await page.getByLabel('Email').fill('socket@example.com');
  await page.getByLabel('Username').fill('socket');
  await page.getByLabel('Password').fill('correct horse battery');
  await page.getByRole('button', { name: 'Sign up' }).click();
  for (const name of ['Tasks', 'Submit', 'Workers', 'Flows', 'Schedules', 'API keys', 'Overview'])
    await page.getByRole('link', { name, exact: true }).click();
  await page.getByRole('row').filter({ hasText: 'TypeScript' }).waitFor();
  expect(asked.map((query) => /^\w+ (\w+)/.exec(query)?.[1])).toEqual(['SignUp']);
  expect(sockets).toHaveLength(1);
});

test('a cut connection shows, is opened again by itself, and nothing was missed meanwhile', async () => {
  const page = await dashboard.newUser();
  await page.getByRole('link', { name: 'Tasks' }).click();
  await page.getByText('No tasks yet').waitFor();
  const token: string = await page.evaluate('JSON.parse(localStorage.getItem("taskflow.session")).token');
  const credentials = { authorization: `Bearer ${token}` };
  await page.getByText('Live', { exact: true }).waitFor();

  await dashboard.system.api.kill('SIGKILL');
  await page.getByText('The connection to the api is cut.').waitFor();
  await page.getByText('Not connected').waitFor();
  const port = await freePort();
  await dashboard.system.start('api', { PORT: String(port) });
  const elsewhere = `http://127.0.0.1:${port}`;
  const inputs = Array.from({ length: 12 }, (_, i) => ({ type: 'echo', payload: i }));
  const { createTasks } = await request<{ createTasks: { id: string }[] }>(elsewhere, CREATE, { inputs }, credentials);
  const ids = createTasks.map(({ id }) => id);
  const ended = () => dashboard.system.app.database.task.count({ where: { id: { in: ids }, status: 'COMPLETED' } });
  await expect.poll(ended).toBe(ids.length);

  await dashboard.system.start('api');
  await page.getByText('Live', { exact: true }).waitFor();
  for (const id of ids) {
    const row = page.getByRole('row').filter({ hasText: id.slice(-12) });
    await row.getByText('Completed').waitFor();
  }
  expect(await page.getByText('The connection to the api is cut.').count()).toBe(0);
  expect(dashboard.faults()).toEqual([]);
});
