import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

interface LockedPackage {
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const readLock = (path: string) =>
  JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };

describe.each([
  'package-lock.json',
  'test/deploy/tools/package-lock.json',
  'bench/package-lock.json',
  'web/package-lock.json',
])('%s', (path) => {
  const lock = readLock(path);

  // npm writes a lock file without the packages of other systems when they are missing in node_modules, or in the
  // registry at hand; `npm ci` then refuses it everywhere.
  test('names every package that another one asks for', () => {
    const names = new Set(Object.keys(lock.packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)));
    const missing = Object.entries(lock.packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !names.has(name))
        .map((name) => `${path} asks for ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('has a version for every package', () => {
    const without = Object.entries(lock.packages).filter(([, { version }]) => !version);
    expect(without).toEqual([]);
  });
});
