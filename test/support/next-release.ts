import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { FOLDER_PREFIX } from './sweep.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What docs/deployment.md allows a migration to do, once each. The tables that every submission and every end write are among it. */
const MIGRATION = `
ALTER TABLE tasks ADD COLUMN next_note TEXT NOT NULL DEFAULT 'none';
ALTER TABLE task_events ADD COLUMN next_note TEXT;
ALTER TABLE users ADD COLUMN next_count INTEGER NOT NULL DEFAULT 0;
CREATE TABLE next_things (id UUID NOT NULL PRIMARY KEY, at TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP);
ALTER TYPE task_priority ADD VALUE 'URGENT';
`;

/**
 * A release after this one, as a copy of the program with a higher number, one more migration, one more function in Redis
 * (`tf1_next`), and one more field in each entry of the event streams. It is removed at the end of the test.
 *
 * @returns its cli, for `spawnNode`
 */
export const makeNextRelease = async (): Promise<string> => {
  const folder = await mkdtemp(FOLDER_PREFIX);
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const part of [
    'src',
    'prisma',
    'workers/runtime',
    'workers/tasks',
    'workers/manager',
    'workers/janitor',
    'workers/sdk',
  ])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const version = `${Number.parseInt(packageJson.version, 10) + 1}.0.0`;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...packageJson, version }));
  const migration = join(folder, 'prisma/migrations/29991231000000_next');
  mkdirSync(migration);
  writeFileSync(join(migration, 'migration.sql'), MIGRATION);
  const functions = join(folder, 'src/broker/functions');
  writeFileSync(join(functions, 'next.lua'), `redis.register_function('tf1_next', function() return 'next' end)\n`);
  const shared = readFileSync(join(functions, 'shared.lua'), 'utf8');
  const more = shared.replace(`table.concat(batch.fields, '\\t'))`, `table.concat(batch.fields, '\\t'), 'next', '1')`);
  if (more === shared) throw new Error('shared.lua appends events in another way by now');
  writeFileSync(join(functions, 'shared.lua'), more);
  return join(folder, 'src/cli.ts');
};
