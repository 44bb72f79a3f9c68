import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAbandoned } from '../../src/local/server-process.ts';

/** Of all temporary folders of tests. */
export const FOLDER_PREFIX = join(tmpdir(), 'taskflow-test-');

/** Ends the servers of earlier runs that were killed before they could do it, and removes their folders. */
export const sweepAbandonedServers = async (): Promise<void> => {
  const names = await readdir(tmpdir());
  for (const folder of names.map((name) => join(tmpdir(), name)).filter((path) => path.startsWith(FOLDER_PREFIX))) {
    const ended = await Promise.all(
      [folder, join(folder, 'postgres'), join(folder, 'redis')].map((place) => endAbandoned(place, 'SIGINT')),
    );
    if (ended.includes(true)) await rm(folder, { recursive: true, force: true });
  }
};
