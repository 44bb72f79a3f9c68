import { existsSync, readFileSync } from 'node:fs';
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

  test('links only to files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, path]) => path as string);
    expect(links.length).toBeGreaterThan(3);
    for (const path of links) expect({ path, exists: existsSync(root(path)) }).toEqual({ path, exists: true });
  });

  test('shows the two commands first', () => {
    expect(readme.indexOf('npm start')).toBeGreaterThan(0);
    expect(readme.indexOf('npm start')).toBeLessThan(readme.indexOf('npm test'));
    expect(readme.indexOf('npm test')).toBeLessThan(readme.indexOf('## Five minutes'));
  });
});
