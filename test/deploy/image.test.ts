import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string): string => readFileSync(root(path), 'utf8');

// What the Dockerfile's steps make is tried in image-steps.test.ts.
describe('the Dockerfile', () => {
  test.each([
    ['of all processes', '', 8],
    ['of the Python worker', 'workers/python/', 3],
  ])('%s copies only what exists', (_name, folder, least) => {
    const copied = [...read(`${folder}Dockerfile`).matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) =>
      (sources as string).split(' '),
    );
    expect(copied.length).toBeGreaterThanOrEqual(least);
    for (const path of copied)
      expect({ path, exists: existsSync(root(folder + path)) }).toEqual({ path, exists: true });
  });

  test('copies nothing that .dockerignore keeps away', () => {
    const sent = [...read('.dockerignore').matchAll(/^!(\S+)$/gm)].map(([, path]) => path as string);
    const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) =>
      (paths as string).split(' ').map((path) => path.split('/')[0] as string),
    );
    expect(new Set(copied)).toEqual(new Set(sent));
  });

  test('copies from stages that exist', () => {
    const stages = [...read('Dockerfile').matchAll(/^FROM \S+ AS (\w+)$/gm)].map(([, stage]) => stage);
    for (const [, stage] of read('Dockerfile').matchAll(/--from=(\w+)/g)) expect(stages).toContain(stage);
  });

  test('refuses a SERVICE_TYPE that it does not know, in one line', () => {
    const { status, stderr } = spawnSync(root('bin/docker-entrypoint.sh'), {
      env: { PATH: process.env.PATH, SERVICE_TYPE: 'alembic' },
      encoding: 'utf8',
    });
    expect(status).toBe(64);
    expect(stderr.trim().split('\n')).toEqual([
      "SERVICE_TYPE must be api, manager, worker, janitor or migrate, not 'alembic'",
    ]);
  });
});
