import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, logIn, openDashboard, PASSWORD, signUp } from '../support/dashboard.ts';
import { visitorOf } from '../support/visitor.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });

describe('a session', () => {
  test('begins by signing up, stays over a reload, ends by logging out, and begins again by logging in', async () => {
    const page = await dashboard.newBrowser();
    const username = await signUp(page);
    await page.reload();
    await heading(page, 'Overview').waitFor();
    await page.getByText('Live', { exact: true }).waitFor();

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are logged out.').waitFor();
    await page.reload();
    await heading(page, 'Log in').waitFor();

    await logIn(page, username);
    await heading(page, 'Overview').waitFor();
    await page.reload();
    await heading(page, 'Overview').waitFor();
    expect(dashboard.faults()).toEqual([]);
  });

  test('is the same in all tabs, and ends in all of them', async () => {
    const page = await dashboard.newUser();
    const other = await page.context().newPage();
    await other.goto('/');
    await heading(other, 'Overview').waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await heading(other, 'Log in').waitFor();
    await logIn(
      other,
      (await dashboard.system.app.database.user.findFirstOrThrow({ orderBy: { id: 'desc' } })).username,
    );
    await heading(page, 'Overview').waitFor();
  });

  test('takes copies of its token along when somebody logs out', async () => {
    const page = await dashboard.newUser();
    const copy = await visitorOf(dashboard, page);
    await copy.graphql('{ me { id } }');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are logged out.').waitFor();
    const isRefused = (): Promise<boolean> =>
      copy.graphql('{ me { id } }').then(
        () => false,
        () => true,
      );
    await expect.poll(isRefused, { timeout: 10_000 }).toBe(true);
    expect(dashboard.faults()).toEqual([]);
  });

  test('ends in the browser also when the API cannot be asked', async () => {
    const page = await dashboard.newUser();
    await page.route('**/graphql', (route) => route.abort());
    const asked = page.waitForRequest((request) => request.postData()?.includes('endSession') ?? false);
    await page.getByRole('button', { name: 'Log out' }).click();
    await asked;
    await page.getByText('You are logged out.').waitFor();
  });

  test('ends when its password is changed elsewhere, and says so', async () => {
    const page = await dashboard.newUser();
    await page.getByText('Live', { exact: true }).waitFor();
    const token: string = await page.evaluate('JSON.parse(localStorage.getItem("taskflow.session")).token');
    const query = `mutation { changePassword(current: "${PASSWORD}", new: "another password") { token } }`;
    await fetch(`${dashboard.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    });
    await page.getByText('Your login has ended.').waitFor();
  });

  test('says what is wrong with what was typed in, beside the field', async () => {
    const page = await dashboard.newBrowser();
    await page.goto('/sign-up');
    await page.getByLabel('Email').fill('ada@example.com');
    await page.getByLabel('Username').fill('a');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByText('Must have 3 to 32 letters').waitFor();
    expect(await page.evaluate('document.activeElement.name')).toBe('username');
  });

  test('does not begin with a wrong password', async () => {
    const page = await dashboard.newBrowser();
    await page.goto('/login');
    await logIn(page, 'nobody');
    await page.getByText('The email, username or password is wrong.').waitFor();
  });

  test('leads to the page that was asked for', async () => {
    const page = await dashboard.newUser();
    const { username } = await dashboard.system.app.database.user.findFirstOrThrow({ orderBy: { id: 'desc' } });
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.goto('/submit?type=sleep');
    await logIn(page, username);
    await heading(page, 'Submit a task').waitFor();
    expect(new URL(page.url()).search).toBe('?type=sleep');
  });
});

describe('a token that is about to expire', () => {
  test('is renewed without anybody noticing', async () => {
    const page = await dashboard.newUser();
    await page.getByText('Live', { exact: true }).waitFor();
    const before: string = await page.evaluate('localStorage.getItem("taskflow.session")');
    const renewed = page.waitForResponse(
      (response) => response.request().postData()?.includes('renewSession') ?? false,
    );
    // As if a part of its life had passed.
    await page.evaluate(
      `localStorage.setItem('taskflow.session', ${JSON.stringify(JSON.stringify({ ...JSON.parse(before), renewAtMs: 0 }))})`,
    );
    await page.reload();
    await renewed;
    await page.getByText('Live', { exact: true }).waitFor();
    const after = JSON.parse(await page.evaluate('localStorage.getItem("taskflow.session")'));
    expect(after.renewAtMs).toBeGreaterThan(Date.now());
    expect(await page.getByRole('alert').count()).toBe(0);
  });
});

describe('the pages of guests', () => {
  test.each(['/login', '/sign-up'])('%s has nothing that axe finds wrong', async (path) => {
    const page = await dashboard.newBrowser();
    await page.goto(path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await expectAccessible(page);
  });
});
