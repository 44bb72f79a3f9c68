import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import type { TestProcess } from '../support/setup.ts';

let dashboard: Dashboard;
let worker: TestProcess;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
  worker = await dashboard.system.start('worker');
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

describe('the form to submit a task', () => {
  test('is made of what its type takes, and shows what becomes of the task without a reload', async () => {
    const page = await dashboard.newUser();
    await page.getByRole('link', { name: 'Submit', exact: true }).click();
    await page.getByLabel('Task type').selectOption('sleep');
    await page.getByRole('spinbutton', { name: /^ms/ }).fill('1500');
    await page.getByText('Options').click();
    // No worker serves it yet: it can be seen to wait.
    await page.getByLabel('Queue').fill('reserved');
    await page.getByLabel('Tags').fill('from-the-form, second');
    await dashboard.system.graphql('mutation { pauseQueue(name: "reserved") { name } }');
    await page.getByRole('button', { name: 'Submit' }).click();
    const task = page.getByRole('region', { name: 'Your task' });
    await task.getByText('Queued', { exact: true }).waitFor();
    await dashboard.system.graphql('mutation { resumeQueue(name: "reserved") { name } }');
    await task.getByText('Processing', { exact: true }).waitFor();
    await task.getByText('Completed', { exact: true }).waitFor();
    await expectAccessible(page);
    const stored = await dashboard.system.app.database.task.findFirstOrThrow({ where: { queue: 'reserved' } });
    expect(stored).toMatchObject({ type: 'sleep', payload: { ms: 1_500, steps: 1 } });
    expect(stored.tags).toEqual(['from-the-form', 'second']);
    expect(dashboard.faults()).toEqual([]);
  });

  test('says beside a field what is wrong with it, and submits nothing', async () => {
    const page = await dashboard.newUser();
    await page.goto('/submit?type=sleep');
    await page.getByRole('spinbutton', { name: /^ms/ }).waitFor();
    await page.getByRole('button', { name: 'Submit' }).click();
    await page.getByText('This is needed.').waitFor();
    await page.getByRole('spinbutton', { name: /^ms/ }).fill('-1');
    await page.getByRole('button', { name: 'Submit' }).click();
    await page.getByText('less than').waitFor();
    await expectAccessible(page);
    expect(await page.getByRole('region', { name: 'Your task' }).count()).toBe(0);
  });

  test('takes JSON as well, keeps what was typed in, and says where that is no JSON', async () => {
    const page = await dashboard.newUser();
    await page.goto('/submit?type=fail');
    await page.getByLabel('message', { exact: false }).fill('as I wanted');
    await page.getByRole('button', { name: 'Edit as JSON' }).click();
    const json = page.getByLabel('As JSON');
    expect(JSON.parse(await json.inputValue())).toMatchObject({ message: 'as I wanted' });
    await json.fill('{ "message": ');
    await page.getByRole('button', { name: 'Submit' }).click();
    await page.getByText('This is no JSON').waitFor();
    await json.fill('{ "message": "twice" }');
    await page.getByRole('button', { name: 'Edit in the form' }).click();
    await expect.poll(() => page.getByLabel('message', { exact: false }).inputValue()).toBe('twice');
  });

  test('shows what the API refuses', async () => {
    const page = await dashboard.newUser();
    await page.goto('/submit?type=echo');
    await page.getByText('Options').click();
    await page.getByLabel('Queue').fill('Not A Name');
    await page.getByRole('button', { name: 'Submit' }).click();
    await page.getByRole('alert').getByText('queue').waitFor();
  });

  test('begins with what an earlier task was submitted with', async () => {
    const page = await dashboard.newUser();
    await page.goto('/submit?type=echo');
    await page.getByLabel('As JSON').fill('{ "again": [1, 2] }');
    await page.getByRole('button', { name: 'Submit' }).click();
    await page.getByText('Completed', { exact: true }).waitFor();
    const { id } = await dashboard.system.app.database.task.findFirstOrThrow({ orderBy: { id: 'desc' } });
    await page.goto(`/submit?from=${id}`);
    await expect.poll(() => page.getByLabel('As JSON').inputValue()).toContain('"again"');
    expect(dashboard.faults()).toEqual([]);
  });
});

describe('the workers', () => {
  test('are listed with language, load and heartbeat, and vanish when they end', async () => {
    const page = await dashboard.newUser();
    await page.getByRole('link', { name: 'Workers' }).click();
    const row = page.getByRole('row').filter({ hasText: 'TypeScript' });
    await row.getByText('0 / 50').waitFor();
    await row.getByText(/now|ago/).waitFor();
    await expectAccessible(page);
    await worker.kill();
    await page.getByText('No worker is running').waitFor();
    await expectAccessible(page);
    expect(dashboard.faults()).toEqual([]);
  });
});
