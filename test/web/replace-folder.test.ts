import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const DASHBOARD = new URL('../../bin/dashboard.js', import.meta.url).href;

/** Puts 50 builds into place, one after the other. */
const SCRIPT = `
  import { mkdirSync, writeFileSync } from 'node:fs';
  import { replaceFolder } from ${JSON.stringify(DASHBOARD)};
  const fresh = process.argv[1] + '-' + process.pid;
  for (let n = 0; n < 50; n += 1) {
    mkdirSync(fresh);
    writeFileSync(fresh + '/built', 'whole');
    replaceFolder(fresh, process.argv[1]);
  }
`;

test('builds that end together take turns in the one place', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'taskflow-'));
  try {
    const place = join(folder, 'dist');
    const build = () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', SCRIPT, place]);
    await Promise.all([build(), build(), build()]);
    expect(await readdir(folder)).toEqual(['dist']);
    expect(await readFile(join(place, 'built'), 'utf8')).toBe('whole');
  } finally {
    await rm(folder, { recursive: true });
  }
});
