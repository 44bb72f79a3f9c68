import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { documentedSettings } from '../src/settings.ts';

const root = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const readme = readFileSync(root('README.md'), 'utf8');

describe('the README', () => {
  test('has every setting with its unit, default and meaning, and no other', () => {
    const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (.+) \|$/gm)].map(([row]) => row);
    const expected = documentedSettings().map(
      ({ name, unit, default: initial, description }) =>
        `| \`${name}\` | ${unit} | ${initial === '' ? '–' : `\`${initial}\``} | ${description} |`,
    );
    expect(rows).toEqual(expected);
  });

  test('shows the two commands first', () => {
    expect(readme.indexOf('npm start')).toBeGreaterThan(0);
    expect(readme.indexOf('npm start')).toBeLessThan(readme.indexOf('npm test'));
    expect(readme.indexOf('npm test')).toBeLessThan(readme.indexOf('## Five minutes'));
  });
});

/** As links name it: in small letters, without what is no letter, digit or hyphen. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading as string));

describe('links', () => {
  const pages = [
    'README.md',
    ...globSync('{docs,web,workers,deploy}/**/*.md', { cwd: root('.'), exclude: ['**/node_modules/**'] }),
  ];

  test('are found', () => {
    expect(pages.length).toBeGreaterThan(20);
  });

  test.each(pages)('of %s lead to files and headings that exist', (page) => {
    const links = [...readFileSync(root(page), 'utf8').matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(
      ([, link]) => link as string,
    );
    const broken = links.filter((link) => {
      const [path, anchor] = link.split('#') as [string, string?];
      const file = path === '' ? root(page) : join(dirname(root(page)), path);
      return !existsSync(file) || (anchor !== undefined && !anchorsOf(file).includes(anchor));
    });
    expect(broken).toEqual([]);
  });
});
