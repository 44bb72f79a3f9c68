import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import { openSecondBrowser } from '../support/visitor.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const newUserAtKeys = async (): Promise<Page> => {
  const page = await dashboard.newUser();
  await page.getByRole('link', { name: 'API keys' }).click();
  await page.getByRole('heading', { level: 1, name: 'API keys' }).waitFor();
  return page;
};

const createKey = async (page: Page, name: string): Promise<void> => {
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Create the key' }).click();
};

/** Reads the secret that is shown, and closes what shows it. */
const takeSecret = async (page: Page): Promise<string> => {
  const dialog = page.getByRole('dialog');
  const secret = await dialog.locator('pre').first().textContent();
  await dialog.getByRole('button', { name: 'I have kept it' }).click();
  return secret ?? '';
};

/** What a program gets that shows credentials. */
const ask = async (headers: Record<string, string>, query: string): Promise<unknown> => {
  const response = await fetch(`${dashboard.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data?: unknown; errors?: [{ extensions: { code: string } }] };
  return errors ? errors[0].extensions.code : data;
};
const askWith = (key: string) => ask({ 'x-api-key': key }, '{ tasks { edges { node { id } } } }');
const NO_TASKS = { tasks: { edges: [] } };

const rowOf = (page: Page, name: string): Locator => page.getByRole('row').filter({ hasText: name });

describe('an API key', () => {
  test('is created, works, is replaced by a rotated one, and is revoked', async () => {
    const page = await newUserAtKeys();
    await page.getByText('No keys yet').waitFor();
    await createKey(page, 'nightly reports');
    const first = await takeSecret(page);
    expect(await askWith(first)).toEqual(NO_TASKS);
    expect(await page.content()).not.toContain(first);

    await page.getByRole('button', { name: 'Rotate nightly reports' }).click();
    await page.getByLabel('The old key').selectOption('Ends at once');
    await page.getByRole('button', { name: 'Rotate the key' }).click();
    const second = await takeSecret(page);
    expect(await askWith(first)).toBe('UNAUTHENTICATED');
    expect(await askWith(second)).toEqual(NO_TASKS);

    await page.getByText('Show those that no longer work (1)').click();
    await rowOf(page, 'No longer works').waitFor();
    await expect.poll(() => rowOf(page, 'nightly reports').count()).toBe(2);

    await page.getByRole('button', { name: 'Revoke nightly reports' }).click();
    await page.getByText('This cannot be undone.').waitFor();
    await page.getByRole('button', { name: 'Revoke the key' }).click();
    await page.getByText('“nightly reports” no longer works.').waitFor();
    await expect.poll(() => rowOf(page, 'No longer works').count()).toBe(2);
    expect(await askWith(second)).toBe('UNAUTHENTICATED');
    expect(dashboard.faults()).toEqual([]);
  });

  test('shows its secret until somebody says that it is kept, with a button that copies it', async () => {
    const page = await newUserAtKeys();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await createKey(page, 'copied');
    const secret = await page.getByRole('dialog').locator('pre').first().textContent();
    await page.mouse.click(5, 5);
    await page.getByRole('button', { name: 'Copy the key' }).click();
    await page.getByRole('button', { name: 'Copied', exact: true }).waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(secret);
    await expectAccessible(page);
  });

  test('shows in another browser without reloading: made, used and revoked', async () => {
    const page = await newUserAtKeys();
    const other = await openSecondBrowser(dashboard, page, '/keys');
    await other.getByText('No keys yet').waitFor();
    await createKey(page, 'seen elsewhere');
    const key = await takeSecret(page);
    await rowOf(other, 'seen elsewhere').filter({ hasText: 'Never' }).waitFor();
    expect(await askWith(key)).toEqual(NO_TASKS);
    await rowOf(other, 'seen elsewhere').filter({ hasNotText: 'Never' }).waitFor();
    await page.getByRole('button', { name: 'Revoke seen elsewhere' }).click();
    await page.getByRole('button', { name: 'Revoke the key' }).click();
    await other.getByText('No key works').waitFor();
    expect(dashboard.faults()).toEqual([]);
  });

  test('can do what was chosen, and no more', async () => {
    const page = await newUserAtKeys();
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('reader');
    await page.getByLabel('Write tasks').uncheck();
    expect(await page.getByLabel('Manage queues').count()).toBe(0);
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Create the key' }).click();
    const key = await takeSecret(page);
    expect(await askWith(key)).toEqual(NO_TASKS);
    const submit = 'mutation { createTask(input: { type: "math.sum" }) { id } }';
    expect(await ask({ 'x-api-key': key }, submit)).toBe('FORBIDDEN');
  });

  test('is made by keyboard alone, and what is wrong with it stands beside its field', async () => {
    const page = await newUserAtKeys();
    await page.getByRole('button', { name: 'New key' }).focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Name').focus();
    await page.keyboard.type('by keyboard');
    await page.getByLabel('Works for').focus();
    await page.keyboard.press('End');
    await page.getByRole('button', { name: 'Create the key' }).focus();
    await page.keyboard.press('Enter');
    const life = page.getByLabel('Works for');
    await expect.poll(() => life.getAttribute('aria-invalid')).toBe('true');
    expect(await page.evaluate('document.activeElement.name')).toBe('expiresInDays');
    await expectAccessible(page);
    await page.keyboard.press('Home');
    await page.getByRole('button', { name: 'Create the key' }).focus();
    await page.keyboard.press('Enter');
    await takeSecret(page);
    await rowOf(page, 'by keyboard').waitFor();
    await expectAccessible(page);
  });
});

describe('a watch token', () => {
  test('shows the tasks that have its tags, and nothing else', async () => {
    const page = await newUserAtKeys();
    await page.getByRole('button', { name: 'New watch token' }).click();
    await page.getByRole('button', { name: 'Create the token' }).click();
    await page.getByText('Must name a task or a tag').waitFor();
    await page.getByLabel('Tags').fill('order:7, shop');
    await page.getByRole('button', { name: 'Create the token' }).click();
    const authorization = `Bearer ${await takeSecret(page)}`;
    const query = '{ tasks(where: { tags: ["order:7", "shop"] }) { edges { node { id } } } }';
    expect(await ask({ authorization }, query)).toEqual(NO_TASKS);
    expect(await ask({ authorization }, '{ apiKeys { id } }')).toBe('FORBIDDEN');
  });
});

test('the keys fit a phone', async () => {
  const page = await dashboard.newUser({ viewport: { width: 360, height: 740 } });
  await page.goto('/keys');
  await createKey(page, 'on the phone');
  await takeSecret(page);
  await rowOf(page, 'on the phone').waitFor();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  await expectAccessible(page);
});
