import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { documentedSettings } from '../../src/config.ts';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string): string => readFileSync(root(path), 'utf8');

interface Service {
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  volumes?: string[];
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};

/** Variables of the compose file itself, and of images that are not ours. */
const NOT_OURS = ['SERVICE_TYPE', 'POSTGRES_PASSWORD', 'POSTGRES_USER', 'POSTGRES_DB'];
const settings = new Set([...documentedSettings().map(({ name }) => name), ...NOT_OURS]);

describe('the compose file', () => {
  test('has the services of the seed, a janitor and a one-shot migrate', () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      'api',
      'janitor',
      'manager',
      'migrate',
      'postgres',
      'redis_high',
      'redis_low',
      'worker',
    ]);
  });

  test('names only services, volumes and settings that exist', () => {
    for (const service of Object.values(compose.services)) {
      for (const name of Object.keys(service.depends_on ?? {})) expect(compose.services).toHaveProperty(name);
      for (const volume of service.volumes ?? [])
        expect(compose.volumes).toHaveProperty(volume.split(':')[0] as string);
      for (const name of Object.keys(service.environment ?? {})) expect(settings).toContain(name);
    }
    for (const [, name] of read('docker-compose.yml').matchAll(/\$\{(\w+)/g)) expect(settings).toContain(name);
  });

  test('waits for the health of what has a health check', () => {
    for (const { depends_on } of Object.values(compose.services)) {
      for (const [name, { condition }] of Object.entries(depends_on ?? {})) {
        const isHealth = condition === 'service_healthy';
        expect({ name, has: compose.services[name]?.healthcheck !== undefined }).toEqual({ name, has: isHealth });
      }
    }
  });

  test('starts the process that each service is named for', () => {
    for (const name of ['manager', 'worker', 'janitor', 'migrate'])
      expect(compose.services[name]?.environment?.SERVICE_TYPE).toBe(name);
    expect(compose.services.api?.environment?.SERVICE_TYPE).toMatch(/SERVICE_TYPE:-api/);
  });
});

describe('the example .env', () => {
  test('names only settings that exist', () => {
    for (const [, name] of read('.env.example').matchAll(/^(\w+)=/gm)) expect(settings).toContain(name);
  });
});

describe('the Dockerfile', () => {
  test.each([
    ['of all processes', '', 5],
    ['of the Python worker', 'workers/python/', 3],
  ])('%s copies only what exists', (_name, folder, least) => {
    const copied = [...read(`${folder}Dockerfile`).matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) =>
      (sources as string).split(' '),
    );
    expect(copied.length).toBeGreaterThanOrEqual(least);
    for (const path of copied)
      expect({ path, exists: existsSync(root(folder + path)) }).toEqual({ path, exists: true });
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
