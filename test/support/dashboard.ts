import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { SYSTEM_USER, type System, type SystemOptions, startSystem } from './system.ts';

const START = fileURLToPath(new URL('../../bin/start.js', import.meta.url));
/** Debian's; no test downloads a browser. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** For one step: shorter than a test's, so that its message says which one it was. */
const TIMEOUT_MS = 15_000;

export const PASSWORD = 'correct horse battery';

/** The real processes, and a real browser that looks at their dashboard. */
export interface Dashboard extends AsyncDisposable {
  readonly system: System;
  readonly url: string;
  /** A browser of its own, with nothing stored: its first page. Whatever goes wrong in its pages fails `faults()`. */
  newBrowser(options?: Parameters<Browser['newContext']>[0]): Promise<Page>;
  /** As `newBrowser`, with somebody signed up, on the overview. */
  newUser(options?: Parameters<Browser['newContext']>[0]): Promise<Page>;
  /** What browsers complained about so far: exceptions, and what their consoles call an error, as a breach of the policy. */
  faults(): string[];
}

/**
 * Starts an api and a browser; builds the dashboard first, where it is older than what it is made from. Managers and workers
 * are the test's to start: `dashboard.system.start('worker')`.
 */
export const openDashboard = async (options: SystemOptions = {}): Promise<Dashboard> => {
  build();
  const system = await startSystem(options);
  // Everything here runs as root, and in containers with a small /dev/shm.
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  const faults: string[] = [];
  const newBrowser: Dashboard['newBrowser'] = async (contextOptions) => {
    const context = await browser.newContext({ baseURL: system.url, ...contextOptions });
    context.setDefaultTimeout(TIMEOUT_MS);
    noteFaults(context, faults);
    return context.newPage();
  };
  return {
    system,
    url: system.url,
    newBrowser,
    newUser: async (contextOptions) => {
      const page = await newBrowser(contextOptions);
      await signUp(page);
      return page;
    },
    faults: () => faults,
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      await system[Symbol.asyncDispose]();
    },
  };
};

/** Quick when nothing has changed: `npm test` has built it already. */
const build = (): void => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [START, 'dashboard'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the dashboard cannot be built:\n${stdout}${stderr}`);
};

/** What browsers say of themselves when a request was answered with an error or a connection cut, which tests want. */
const EXPECTED = /Failed to load resource|WebSocket connection to/;

const noteFaults = (context: BrowserContext, faults: string[]): void => {
  context.on('weberror', (error) => faults.push(String(error.error())));
  context.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) faults.push(message.text());
  });
};

let users = 0;

/** Signs up, as a person would. @returns the username, once the overview is there */
export const signUp = async (page: Page): Promise<string> => {
  users += 1;
  const username = `person-${users}`;
  await page.goto('/sign-up');
  await page.getByLabel('Email').fill(`${username}@example.com`);
  await page.getByLabel('Username').fill(username);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  return username;
};

export const logIn = async (page: Page, identifier: string, password = PASSWORD): Promise<void> => {
  await page.getByLabel('Email or username').fill(identifier);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
};

/** A browser of the user of `dashboard.system`, the first one and therefore an admin: on the overview. */
export const openAsSystemUser = async (
  dashboard: Dashboard,
  options?: Parameters<Dashboard['newBrowser']>[0],
): Promise<Page> => {
  const page = await dashboard.newBrowser(options);
  await page.goto('/login');
  await logIn(page, SYSTEM_USER.username, SYSTEM_USER.password);
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  return page;
};

/** Fails with what axe finds wrong by WCAG 2.2 AA on the page as it is now, in light and in dark. */
export const expectAccessible = async (page: Page): Promise<void> => {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
    const found = violations.map(({ id, help, nodes }) => ({ id, help, at: nodes.map(({ html }) => html) }));
    expect({ colorScheme, found }).toEqual({ colorScheme, found: [] });
  }
};
