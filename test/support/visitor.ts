import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { request } from '../../src/local/graphql-client.ts';
import { type Dashboard, logIn } from './dashboard.ts';

/** Whoever is logged in in a browser, as a program of theirs. */
export interface Visitor {
  ownerId: string;
  graphql<T>(query: string, variables?: Record<string, unknown>): Promise<T>;
  /** @returns the task's id */
  submit(input: Record<string, unknown>): Promise<string>;
  statusOf(id: string): Promise<string | undefined>;
}

const SUBMIT = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id } }';

export const visitorOf = async ({ url }: Dashboard, page: Page): Promise<Visitor> => {
  const session = JSON.parse(await page.evaluate('localStorage.getItem("taskflow.session")'));
  const graphql: Visitor['graphql'] = (query, variables = {}) =>
    request(url, query, variables, { authorization: `Bearer ${session.token}` });
  return {
    ownerId: session.user.id,
    graphql,
    submit: async (input) => {
      const { createTask } = await graphql<{ createTask: { id: string } }>(SUBMIT, { input });
      return createTask.id;
    },
    statusOf: async (id) => {
      const query = 'query ($id: ID!) { task(id: $id) { status } }';
      return (await graphql<{ task: { status: string } | null }>(query, { id })).task?.status;
    },
  };
};

/** The same person in a browser of their own. */
export const openSecondBrowser = async (dashboard: Dashboard, page: Page, address: string): Promise<Page> => {
  const session: string = await page.evaluate('localStorage.getItem("taskflow.session")');
  const other = await dashboard.newBrowser();
  await other.addInitScript(`localStorage.setItem('taskflow.session', ${JSON.stringify(session)})`);
  await other.goto(address);
  return other;
};

/** Somebody who was made an admin, and has logged in since: on the overview. */
export const newAdmin = async (
  dashboard: Dashboard,
  options: Parameters<Dashboard['newUser']>[0] = {},
): Promise<Page> => {
  const page = await dashboard.newUser(options);
  const { ownerId } = await visitorOf(dashboard, page);
  const { username } = await dashboard.system.app.database.user.update({
    where: { id: ownerId },
    data: { isAdmin: true },
  });
  await page.evaluate('localStorage.clear()');
  await page.goto('/login');
  await logIn(page, username);
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  const { graphql } = await visitorOf(dashboard, page);
  const isKnown = (): Promise<boolean> =>
    graphql('{ auditLog(first: 1) { edges { cursor } } }').then(
      () => true,
      () => false,
    );
  // An api notices within a second.
  await expect.poll(isKnown, { timeout: 10_000 }).toBe(true);
  return page;
};
