import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../src/errors.ts';
import { CLOSE_CODES } from '../src/server/socket-session.ts';

const PAGE = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');

/** The rows of the table under a heading: first column to second. */
const tableUnder = (heading: string): Record<string, string> => {
  const section = PAGE.split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
  const rows = section.matchAll(/^\| `?([^|`]+)`? \| ([^|]+) \|/gm);
  return Object.fromEntries(
    [...rows]
      .map(([, name, meaning]) => [name?.trim(), meaning?.trim()])
      .filter(([name]) => name !== 'code' && !name?.startsWith('---')),
  );
};

describe('docs/errors.md', () => {
  test('holds every error code with its meaning', () => {
    expect(tableUnder('Codes')).toEqual(ERROR_CODES);
  });

  test('holds every close code of sockets', () => {
    expect(Object.keys(tableUnder('Sockets'))).toEqual(expect.arrayContaining(Object.values(CLOSE_CODES).map(String)));
  });
});
