import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dashboard, expectAccessible, openDashboard } from '../support/dashboard.ts';
import { newAdmin, openSecondBrowser, visitorOf } from '../support/visitor.ts';

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
  await dashboard.system.start('manager');
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

const CREATE = 'mutation ($input: CreateFlowInput!) { createFlow(input: $input) { id } }';

interface FlowTask {
  name: string;
  type: string;
  payload?: unknown;
  dependsOn?: string[];
  maxAttempts?: number;
  runAt?: string;
}

const fetchBooks: FlowTask[] = [
  { name: 'fetch', type: 'sleep', payload: { ms: 1_500 } },
  { name: 'profile', type: 'echo', dependsOn: ['fetch'] },
  { name: 'archive', type: 'fail', payload: { message: 'no space' }, maxAttempts: 1, dependsOn: ['fetch'] },
  { name: 'report', type: 'echo', dependsOn: ['profile', 'archive'] },
];

/** Submits a flow as a program would. @returns its id */
const submitFlow = async (page: Page, name: string, tasks: FlowTask[]): Promise<string> => {
  const { graphql } = await visitorOf(dashboard, page);
  const { createFlow } = await graphql<{ createFlow: { id: string } }>(CREATE, { input: { name, tasks } });
  return createFlow.id;
};

const node = (page: Page, name: string, status: string) =>
  page.getByRole('group', { name: 'Graph of the flow' }).getByRole('link', { name: `${name} ${status}`, exact: true });

const colourOf = (page: Page, name: string): Promise<string> =>
  page.evaluate(`getComputedStyle(document.querySelector('[data-name="${name}"]')).borderLeftColor`);

describe('the graph of a flow', () => {
  test('changes its colours while the flow runs, in two browsers, without a reload', async () => {
    const page = await dashboard.newUser({ reducedMotion: 'reduce' });
    const id = await submitFlow(page, 'books', fetchBooks);
    await page.goto('/flows');
    await page.getByRole('link', { name: 'books' }).click();
    await node(page, 'fetch', 'Queued').waitFor();
    await node(page, 'report', 'Waiting').waitFor();
    const other = await openSecondBrowser(dashboard, page, `/flows/${id}`);
    await node(other, 'fetch', 'Queued').waitFor();
    await page.evaluate('window.isTheSamePage = true');
    const queued = await colourOf(page, 'fetch');
    await expectAccessible(page);

    const worker = await dashboard.system.start('worker');
    for (const each of [page, other]) await node(each, 'fetch', 'Processing').waitFor();
    const processing = await colourOf(page, 'fetch');
    for (const each of [page, other]) {
      await node(each, 'fetch', 'Completed').waitFor();
      await node(each, 'profile', 'Completed').waitFor();
      await node(each, 'archive', 'Failed').waitFor();
      await node(each, 'report', 'Cancelled').waitFor();
    }
    expect(new Set([queued, processing, await colourOf(page, 'fetch'), await colourOf(page, 'archive')]).size).toBe(4);
    expect(await page.getByRole('list', { name: 'How its tasks stand' }).textContent()).toMatch(
      /2 Completed1 Failed1 Cancelled/,
    );
    expect(await page.evaluate('window.isTheSamePage')).toBe(true);
    await worker.kill('SIGTERM');

    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('button', { name: 'Put them back' }).click();
    for (const each of [page, other]) await node(each, 'archive', 'Queued').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByLabel('Reason').fill('no longer wanted');
    await page.getByRole('button', { name: 'Cancel what has not ended' }).click();
    for (const each of [page, other]) await node(each, 'archive', 'Cancelled').waitFor();
    expect(dashboard.faults()).toEqual([]);
  });

  test('is live for an admin, too, whosever it is', async () => {
    const page = await dashboard.newUser();
    const id = await submitFlow(page, 'of a user', fetchBooks);
    const admin = await newAdmin(dashboard);
    await admin.goto(`/flows/${id}`);
    await node(admin, 'report', 'Waiting').waitFor();
    await page.goto(`/flows/${id}`);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Cancel what has not ended' }).click();
    await node(admin, 'report', 'Cancelled').waitFor();
    expect(dashboard.faults()).toEqual([]);
  });

  test('is walked by keyboard alone, and leads to the page of a task', async () => {
    const page = await dashboard.newUser();
    const id = await submitFlow(page, 'by keyboard', fetchBooks);
    await page.goto(`/flows/${id}`);
    await node(page, 'fetch', 'Queued').waitFor();
    // Which of the two beside each other is the upper one is for the layout to say.
    const [upper, lower]: string[] = await page.evaluate(`['profile', 'archive'].sort((a, b) => {
      const top = (name) => document.querySelector('[data-name="' + name + '"]').getBoundingClientRect().top;
      return top(a) - top(b);
    })`);
    await node(page, 'fetch', 'Queued').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowUp');
    const steps = [
      ['ArrowDown', lower],
      ['ArrowUp', upper],
      ['ArrowRight', 'report'],
      ['ArrowRight', 'report'],
    ];
    for (const [key = '', name] of steps) {
      await page.keyboard.press(key);
      expect(await page.evaluate('document.activeElement.dataset.name')).toBe(name);
    }
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    expect(await page.evaluate('document.activeElement.dataset.name')).toBe('fetch');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/tasks/*');
  });

  test('draws no line through a task', async () => {
    const page = await dashboard.newUser();
    const id = await submitFlow(page, 'many lines', [
      ...fetchBooks,
      { name: 'clean', type: 'echo', dependsOn: ['fetch'] },
      { name: 'index', type: 'echo', dependsOn: ['clean', 'profile'] },
      { name: 'mail', type: 'echo', dependsOn: ['index', 'clean', 'fetch'] },
    ]);
    await page.goto(`/flows/${id}`);
    await node(page, 'mail', 'Waiting').waitFor();
    const crossings = await page.evaluate(`(() => {
      const origin = document.querySelector('path[data-status]').ownerSVGElement.getBoundingClientRect();
      const boxes = [...document.querySelectorAll('[data-name]')].map((node) => node.getBoundingClientRect());
      const paths = [...document.querySelectorAll('path[data-status]')];
      const isInside = ({ x, y }) => boxes.some(({ left, right, top, bottom }) =>
        x + origin.left > left + 1 && x + origin.left < right - 1 && y + origin.top > top + 1 && y + origin.top < bottom - 1);
      return paths.map((path) => {
        const length = path.getTotalLength();
        return Array.from({ length: 100 }, (_, step) => path.getPointAtLength((length * step) / 99)).filter(isInside).length;
      });
    })()`);
    expect(crossings).toEqual(new Array(10).fill(0));
  });

  test('has a table beside it, with the same tasks', async () => {
    const page = await dashboard.newUser();
    const id = await submitFlow(page, 'as a table', fetchBooks);
    await page.goto(`/flows/${id}`);
    const row = page.getByRole('table', { name: 'Tasks of the flow' }).getByRole('row').filter({ hasText: 'report' });
    expect(await row.textContent()).toMatch(/reportWaitingechoprofile, archive/);
  });

  test('gives way to the table where a flow has hundreds of tasks', async () => {
    const page = await dashboard.newUser();
    const tasks = Array.from({ length: 600 }, (_, index) => ({
      name: `t${index}`,
      type: 'echo',
      runAt: '2100-01-01T00:00:00.000Z',
    }));
    const id = await submitFlow(page, 'large', tasks);
    await page.goto(`/flows/${id}`);
    await page.getByText('600 tasks are too many for a picture').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Cancel what has not ended' }).click();
    const counts = page.getByRole('list', { name: 'How its tasks stand' });
    await expect.poll(() => counts.textContent(), { timeout: 20_000 }).toBe('600 Cancelled');
  });
});

test('there are no flows at first, and none of others', async () => {
  const page = await dashboard.newUser();
  const id = await submitFlow(page, 'private', fetchBooks);
  const other = await dashboard.newUser();
  await other.goto('/flows');
  await other.getByText('No flows yet').waitFor();
  await expectAccessible(other);
  await other.goto(`/flows/${id}`);
  await other.getByText('There is no such flow').waitFor();
  await expectAccessible(other);
});

test('the list is live: new flows, and how their tasks stand, show in two browsers without a reload', async () => {
  const page = await dashboard.newUser();
  await page.goto('/flows');
  await page.getByText('No flows yet').waitFor();
  const other = await openSecondBrowser(dashboard, page, '/flows');
  await other.getByText('No flows yet').waitFor();
  const id = await submitFlow(page, 'as it goes', fetchBooks);
  const counts = (each: Page) => each.getByRole('list', { name: 'How the tasks of as it goes stand' });
  for (const each of [page, other])
    await counts(each)
      .filter({ hasText: /3 Waiting1 Queued/ })
      .waitFor();

  const { graphql } = await visitorOf(dashboard, page);
  await graphql('mutation { cancelTasks(where: { type: ["sleep"] }) { id } }');
  for (const each of [page, other])
    await counts(each)
      .filter({ hasText: /^4 Cancelled$/ })
      .waitFor();
  await other.getByRole('link', { name: 'as it goes' }).click();
  await other.waitForURL(`**/flows/${id}`);
  expect(dashboard.faults()).toEqual([]);
});

test('the flows fit a phone', async () => {
  const page = await dashboard.newUser({ viewport: { width: 360, height: 740 } });
  const id = await submitFlow(page, 'on the phone', fetchBooks);
  await page.goto('/flows');
  await page.getByRole('link', { name: 'on the phone' }).waitFor();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  await expectAccessible(page);
  await page.goto(`/flows/${id}`);
  await node(page, 'fetch', 'Queued').waitFor();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  await expectAccessible(page);
});
