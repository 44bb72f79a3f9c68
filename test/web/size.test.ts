import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Dashboard, openDashboard } from '../support/dashboard.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILT = `${ROOT}web/dist`;
/** What the first load may weigh, compressed, in bytes. */
const LIMIT = 250_000;

let dashboard: Dashboard;

beforeAll(async () => {
  dashboard = await openDashboard();
}, 120_000);
afterAll(() => dashboard[Symbol.asyncDispose]());

test('the first load of the overview is under 250 kB, compressed', async () => {
  const page = await dashboard.newUser();
  const sizes: Promise<{ responseBodySize: number }>[] = [];
  page.on('requestfinished', (request) => sizes.push(request.sizes()));
  await page
    .context()
    .newCDPSession(page)
    .then((session) => session.send('Network.clearBrowserCache'));
  await page.reload();
  await page.getByText('Live', { exact: true }).waitFor();
  const bytes = (await Promise.all(sizes)).reduce((sum, { responseBodySize }) => sum + responseBodySize, 0);
  console.log(`first load: ${Math.round(bytes / 1_000)} kB compressed`);
  // All of it was counted, the script among it.
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(LIMIT);
});

test('every text file is compressed ahead, in both ways', () => {
  const files = readdirSync(BUILT, { recursive: true, encoding: 'utf8' });
  const large = files.filter((file) => /\.(js|css|html)$/.test(file) && statSync(`${BUILT}/${file}`).size > 1_000);
  expect(large.length).toBeGreaterThan(2);
  for (const file of large) {
    expect(files).toContain(`${file}.br`);
    expect(files).toContain(`${file}.gz`);
  }
});

test('the page names no other host', () => {
  const scripts = readFileSync(`${BUILT}/index.html`, 'utf8');
  expect(scripts).not.toMatch(/(src|href)="(https?:)?\/\//);
});

test('the package of npm brings the build along', () => {
  const arguments_ = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = spawnSync('npm', arguments_, { cwd: ROOT, encoding: 'utf8' });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  expect(files.map(({ path }) => path)).toContain('web/dist/index.html.br');
  expect(files.filter(({ path }) => path.startsWith('web/') && !path.startsWith('web/dist/'))).toEqual([]);
});
